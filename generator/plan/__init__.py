"""Files to Plan: defaults merged, names resolved, escalations unrolled; nothing is looked up later."""
