"""The page of `hirl web`: a picture, restored step by step, by the agent or by hand."""
