"""Floors: cheap baselines without a transformer; one file each, named in the `floors` of the tasks they are valid for.

They see the same labelled examples as the arms of the same budget and replicate, and stand beside them in every table.
"""
