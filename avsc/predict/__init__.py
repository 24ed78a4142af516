"""Prediction: the scene of each second of any recording.

In the order of reading:

- ``predict``: recordings in, time-lines and their files out
- ``recording``: a recording's seconds, each with its sound and its picture
- ``predictor``: the probabilities of these seconds by one run
- ``timeline``: what was predicted; ``downsample`` keeps it small enough to draw
- ``formats``: table, CSV and JSON of a time-line (its page is in ``avsc.report``)
"""

from avsc.callable_package import make_callable

make_callable(__name__, "avsc.predict.predict")
