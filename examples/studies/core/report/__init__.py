"""Figures, sentences and pages on what runs measured."""
