"""Forecast the error with more labels from the learning curve that was measured."""
