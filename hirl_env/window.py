"""A window that shows frames as they are made, for ``render_mode="human"`` (needs pygame)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hirl_env.extras import optional

TITLE = "HIRL-Restore"


class Window:
    """A pygame window, opened at the first frame. Pygame has one: whoever shows a frame shows it there.

    Args:
        fps: Frames per second at most; 0 for no bound.

    Raises:
        ImportError: If pygame is not installed.
    """

    def __init__(self, fps: int) -> None:
        self.pygame = optional("pygame", "human")
        self.fps, self.clock = fps, self.pygame.time.Clock()

    def show(self, frame: npt.NDArray[np.uint8]) -> None:
        """Shows a frame, uint8 (H, W, 3), for as long as the frame rate asks."""
        size = frame.shape[1::-1]
        surface = self.pygame.display.get_surface()
        if surface is None or surface.get_size() != size:
            self.pygame.display.init()
            self.pygame.display.set_caption(TITLE)
            surface = self.pygame.display.set_mode(size)
        self.pygame.surfarray.blit_array(surface, frame.swapaxes(0, 1))
        self.pygame.event.pump()
        self.pygame.display.flip()
        self.clock.tick(self.fps)

    def close(self) -> None:
        """Closes the window."""
        self.pygame.display.quit()
