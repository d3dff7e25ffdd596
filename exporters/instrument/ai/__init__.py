"""Analyses by a model: how long they take, how sure they are, and how many fail."""

from exporters.instrument.ai.analyses import Analyses, Analysis

__all__ = ["Analyses", "Analysis"]
