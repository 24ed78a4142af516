"""Gives a trained run away: the whole scorer as ONNX or safetensors, with its model card."""
