"""Two services of FastBreak that measure themselves, as somebody would write them: one FastAPI, one Flask."""
