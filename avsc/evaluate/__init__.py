"""From a run and a store to scores. In the order of reading:

- ``evaluation``: the commands: scores a run, or another system's predictions, and writes files
- ``segments``: the one-second segments of a fold
- ``score``: the probabilities of a run for each segment
- ``summary``: all scores of these probabilities, and ``metrics.json``
- ``bootstrap``: 95 % intervals by resampling locations
- ``predictions``: ``predictions.csv``; ``embeddings``: ``embeddings.npz`` and its maps
- ``results``: reads what an evaluation wrote; ``compare``: several systems side by side
- ``environment``: software and machine
"""

from avsc.callable_package import make_callable

make_callable(__name__, "avsc.evaluate.evaluation")
