"""The paper's tables and figures, one module each; `hirl reproduce` runs them.

Source: Zhang and Gao, "HIRL: Hybrid Image Restoration Based on Hierarchical Deep Reinforcement Learning via Two-Step
Analysis", ICASSP 2022.
"""
