"""Small networks of others, randomly initialised, saved as their authors save theirs."""

from pathlib import Path

import torch
from safetensors.torch import save_file

TOOLSET = """
denoise:
  - {network: drunet.safetensors, strength: 10}
  - {network: drunet.safetensors, strength: 40, undoes: noise-25}
dejpeg:
  - {network: swinir.pth}
  - {tool: "paper:dejpeg-1"}
deblur:
  - {tool: "paper:deblur-0", name: sharpen}
  - {network: nafnet.safetensors}
"""


def save_networks(folder: Path) -> Path:
    """Writes networks of three architectures, and a toolset of them, into a folder; returns the toolset's file."""
    from spandrel.architectures.DRUNet import DRUNet
    from spandrel.architectures.NAFNet import NAFNet
    from spandrel.architectures.SwinIR import SwinIR

    torch.manual_seed(0)
    nafnet = NAFNet(width=4, enc_blk_nums=[1], dec_blk_nums=[1])
    torch.nn.init.normal_(nafnet.ending.weight, std=0.1)
    save_file(nafnet.state_dict(), folder / "nafnet.safetensors")
    save_file(DRUNet(in_nc=4, out_nc=3, nc=[4, 4, 4, 4], nb=2).state_dict(), folder / "drunet.safetensors")
    swinir = SwinIR(img_size=16, embed_dim=8, depths=[2], num_heads=[2], window_size=8, upsampler="", upscale=1)
    torch.save({"params": swinir.state_dict()}, folder / "swinir.pth")
    (folder / "toolset.yaml").write_text(TOOLSET)
    return folder / "toolset.yaml"
