"""Exports a trained run: the whole system as ONNX or safetensors, with its model card.

Read in this order:

- ``system``: the whole system as one module, from audio frame and image to probabilities.
- ``weights``: the system as a safetensors file, written and read.
- ``onnx_file``: the system as an ONNX file, compared with PyTorch before it is kept.
- ``int8``: the ONNX file with 8-bit integers, and what that costs
- ``description``: ``config.json``, what the model takes and where it comes from.
- ``card``: ``README.md``, from the template ``model_card.md``.
- ``export``: ``avsc export``, which does all of this.
"""
