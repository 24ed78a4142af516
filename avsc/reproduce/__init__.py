"""The paper's tables and figure 2, run from their recipes and set beside the paper's numbers."""
