"""Networks with their authors' weights, which agents are compared with."""
