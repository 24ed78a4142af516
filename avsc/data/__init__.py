"""Training data: from a store's clips to augmented batches.

In the order of reading:

- ``split``: the training fold's clips, to train on and to validate on
- ``triples``: aligned triples (audio frame, image, scene) as plain arrays
- ``clip_sound``: the sound of a store's clips, read again from the data set
- ``sampler``, ``rng``: an epoch's order and random draws as pure functions
- ``image_source``: images of a store, of a folder (``image_folder``) or of the memory
  (``image_cache``)
- ``augment``, ``augment_gpu``: random crops, mirror images and colours, with OpenCV or torch
- ``augment_audio``: random levels, styles, masks and mixtures of sound
- ``ring``: threads that fill buffers ahead of the consumer
- ``batch``, ``loader``: all of the above as training batches; ``training_loader``: those of a
  recipe
- ``eval_images``: images without augmentation, as the visual encoder's weights expect them
"""
