"""What evaluate, compare, predict and info show a person.

A page is data, figures and a template. In the order of reading:

- ``context``: the content of an evaluation's report, gathered as plain values
- ``pages``: report and time-line as HTML; ``templates/`` has their words, layout and CSS
- ``style``: the one style of all figures, and a matplotlib figure as SVG inside a page
- ``figures``: the report's figures; ``timeline_figure``: the figure of a time-line
- ``comparison``: the page of several systems, and reports from predictions alone;
  ``comparison_figures``: its figures
- ``robustness``: table, figure and page of disturbed systems; ``agreement``: of swapped sounds;
  ``robustness_figures``: their figures
- ``tables``: scores as tables; ``table_formats``: tables for a terminal, as Markdown, LaTeX, CSV
  and JSON; ``formatting``: numbers as text
- ``info``: the content of a store or a run; ``clip_figure``: one clip of a store
"""
