"""Training: from a store and a recipe to a folder of checkpoints and logs.

In the order of reading:

- ``run``: a whole run; ``session`` (device, folder, recipe) and ``run_data`` (batches) open it
- ``trainer``: the epochs: train, validate, log, keep, stop early; ``stopping``: a polite end
- ``epoch``: the step (forward, loss, backward) and an epoch of steps; ``loss``: what it descends
- ``teacher``: the soft targets of a distillation; ``teacher_bank``: a run's answers, kept
- ``validate``: how a model does on what is held out
- ``checkpoint``, ``manifest``, ``log``, ``run_dir``: the files of a run
- ``distributed``, ``device``: the processes and devices of a run
- ``pretrain``: the same for a visual encoder on labelled images
- ``load``: a trained run opened for use
"""

from avsc.callable_package import make_callable

make_callable(__name__, "avsc.train.run")
