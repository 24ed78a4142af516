"""Scores and what is made of them: metrics, intervals, reports."""
