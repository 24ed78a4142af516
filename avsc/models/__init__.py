"""The paper's model: encoders, classifier, weights, stored embeddings."""
