"""The paper's tables and figure 2, run from their recipes and set beside the paper's numbers.

Read in this order:

- ``plan``: which runs the targets need, with which recipes, and in which order.
- ``status``: how far each run is on disk.
- ``dry_run``: prints the plan and the status, and starts nothing.
- ``runner``: trains and evaluates the runs that are not complete.
- ``table``: a table of the paper beside our scores, as Markdown and CSV.
- ``figure2``: the t-SNE maps of figure 2.
- ``reproduce``: ``avsc reproduce``, which does all of this.
"""
