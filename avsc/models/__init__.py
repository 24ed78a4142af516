"""The paper's model: encoders, classifier, weights, stored embeddings.

In the order of reading:

- ``scene_model``: Figure 1 and equations (1) and (2); ``acoustic`` and ``visual`` are its encoders
- ``sizes``: parameters, bytes and multiply-adds of these
- ``protocol``: the probabilities of a one-second segment, for all who score
- ``weights``, ``visual_weights``: files of weights, and the visual encoder they belong to
- ``view_maker``: makes views of images, plain or augmented, and encodes them
- ``bank``: an array of embeddings of a store's seconds, computed once, by any number of processes
  (``bank_lock``); ``view_bank`` has views of images, ``audio_bank`` sound, encoded by the
  pre-trained ``audio_tower``
- ``image_classifier``: the model of pre-training, a visual encoder with a head of its own
"""
