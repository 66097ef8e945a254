"""The paper's reported results: Tables 1 to 3 and the caption of Figure 1, as printed.

PSNR is in dB, followed by SSIM. The paper's averages are left out and computed again: that of FFDNet's SSIM (.7908)
does not follow from the rows (.6908 does).
"""

from __future__ import annotations

Scores = tuple[float, float]  # PSNR (dB), SSIM

# Table 1. The first three rows are on CSIQ, the others on 100 photographs of DIV2K.
TABLE1: dict[str, dict[str, Scores]] = {
    "AWGN": {
        "SRCNN": (28.26, 0.6785),
        "Fast AR-CNN": (31.95, 0.8515),
        "SRN": (29.41, 0.7298),
        "FFDNet": (32.59, 0.8435),
        "PixelRL": (31.21, 0.8121),
        "RL-Restore": (28.39, 0.6974),
        "HIRL": (33.54, 0.8894),
    },
    "JPEG": {
        "SRCNN": (28.45, 0.7992),
        "Fast AR-CNN": (28.92, 0.8169),
        "SRN": (28.46, 0.7992),
        "FFDNet": (28.91, 0.8160),
        "PixelRL": (27.95, 0.7901),
        "RL-Restore": (26.40, 0.7267),
        "HIRL": (29.23, 0.8247),
    },
    "blur": {
        "SRCNN": (28.76, 0.8164),
        "Fast AR-CNN": (28.28, 0.8057),
        "SRN": (29.04, 0.8123),
        "FFDNet": (28.28, 0.8058),
        "PixelRL": (27.43, 0.7897),
        "RL-Restore": (25.64, 0.7354),
        "HIRL": (29.80, 0.8527),
    },
    "mild": {
        "SRCNN": (22.91, 0.5129),
        "Fast AR-CNN": (25.04, 0.6148),
        "SRN": (22.93, 0.5130),
        "FFDNet": (25.17, 0.6661),
        "PixelRL": (25.25, 0.6251),
        "RL-Restore": (25.20, 0.6720),
        "HIRL": (25.82, 0.6861),
    },
    "moderate": {
        "SRCNN": (21.32, 0.3254),
        "Fast AR-CNN": (24.28, 0.6145),
        "SRN": (22.48, 0.4114),
        "FFDNet": (25.19, 0.6136),
        "PixelRL": (23.09, 0.5280),
        "RL-Restore": (25.52, 0.6563),
        "HIRL": (26.18, 0.6626),
    },
    "severe": {
        "SRCNN": (14.32, 0.0886),
        "Fast AR-CNN": (21.00, 0.3524),
        "SRN": (16.81, 0.1404),
        "FFDNet": (21.31, 0.3997),
        "PixelRL": (14.92, 0.0985),
        "RL-Restore": (23.33, 0.5473),
        "HIRL": (23.81, 0.5665),
    },
}

# Table 2. PSNR gains by trials.
TABLE2: dict[str, dict[int, float]] = {
    "brute force": {9: 1.338, 90: 1.586, 819: 1.721, 7380: 1.847},
    "HIRL": {9: 1.618, 90: 1.866, 819: 1.958, 7380: 1.958},
}

# Table 3, by the longest path. The SSIM of the moderate level at 7 is .6626 in Table 1.
TABLE3: dict[str, dict[int, Scores]] = {
    "mild": {3: (25.41, 0.6763), 5: (25.72, 0.6785), 7: (25.82, 0.6861)},
    "moderate": {3: (26.09, 0.6626), 5: (26.16, 0.6646), 7: (26.18, 0.6677)},
    "severe": {3: (23.70, 0.5639), 5: (23.71, 0.5664), 7: (23.81, 0.5665)},
}

# Figure 1 (section 2.2), by strategy: the tools on the one picture shown, and what they gained in dB.
FIGURE1: dict[str, tuple[tuple[str, ...], float]] = {
    "reverse order": (("Fast AR-CNN 10", "FFDNet 35", "SRN"), 1.157),
    "greedy": (("FFDNet 35", "SRN", "Fast AR-CNN 20"), 1.323),
    "brute force": (("FFDNet 35", "Fast AR-CNN 30", "SRN"), 1.426),
}
