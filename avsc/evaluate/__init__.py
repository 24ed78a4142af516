"""From a run and a store, or from anybody's predictions, to scores. In the order of reading:

Runs and stores

- ``evaluation``: the commands: scores a run, or another system's predictions, and writes files;
  ``cross_validation``: runs of several folds as one; ``evaluate_seeds``: a folder of seeds
- ``segments``: the one-second segments of a fold; ``scored_fold``: those that a run is scored on;
  ``scored_run``: the run on these
- ``score``: the probabilities of a run for each segment
- ``summary``: all scores of these probabilities, and ``metrics.json``
- ``bootstrap``: 95 % intervals by resampling locations
- ``embeddings``: ``embeddings.npz`` and its maps; ``results``: reads what an evaluation wrote
- ``condition``: segments without a modality or with another second's picture; ``encoded``: stored
  embeddings joined in any way
- ``robustness``: systems under ``disturbances``: missing, late and swapped sounds and pictures
- ``agree``: finds swapped sounds, by ``answers`` of one modality alone; ``agreement``: its
  arithmetic, ``agreement_files``: what it writes; ``swaps`` and ``swap_lists``: whose sound each
  clip has
- ``temperature``: one temperature for a run's logits; ``calibrate``: the command that fits it
- ``environment``: software and machine

Predictions of any system

- ``predictions``: ``predictions.csv``, ours and other people's, read by ``text_table`` (cells and
  lines), ``row_ids`` (clips and seconds), ``scene_columns`` and ``probability_cells``
- ``labels``: the true scenes of clips; ``seeds``: folders of runs that differ in their seed
- ``systems``: runs, folders of seeds and files as systems; ``compare``: systems side by side
- ``leaderboard``: published results; ``ensemble``: means of systems
"""

from avsc.callable_package import make_callable

make_callable(__name__, "avsc.evaluate.evaluation")
