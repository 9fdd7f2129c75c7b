"""Networks of a few layers with random weights, built directly: no training, the same every time."""

from dataclasses import dataclass, field

import numpy as np
from framekeep_models.tflite_writer import Writer


@dataclass
class Net:
    """A chain that remembers where it is."""

    seed: int = 1
    side: int = 16
    channels: int = 3
    writer: Writer = field(default_factory=Writer)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.shape = (1, self.side, self.side, self.channels)
        self.input = self.at = self.writer.tensor(self.shape, scale=1 / 255, zero_point=-128)
        self.scale = 1 / 255

    def step(self, name: str, shape: tuple[int, ...], constants: list[int], scale: float, **options) -> "Net":
        out = self.writer.tensor(shape, scale=scale, zero_point=-128)
        self.writer.add(name, [self.at, *constants], [out], **options)
        self.at, self.shape, self.scale = out, shape, scale
        return self

    def conv(self, out: int, kernel: int = 1, stride: int = 1, dead: int = 0) -> "Net":
        """RELU6 after it; the first `dead` output channels can only be 0."""
        weights = self.rng.integers(-127, 128, (out, kernel, kernel, self.shape[3]))
        side = -(-self.shape[1] // stride)
        options = {"padding": "SAME", "stride_w": stride, "stride_h": stride}
        return self._weighted("CONV_2D", weights, 0, (1, side, side, out), dead, options)

    def depthwise(self, stride: int = 1, dead: int = 0) -> "Net":
        weights = self.rng.integers(-127, 128, (1, 3, 3, self.shape[3]))
        side = -(-self.shape[1] // stride)
        options = {"padding": "SAME", "stride_w": stride, "stride_h": stride}
        return self._weighted("DEPTHWISE_CONV_2D", weights, 3, (1, side, side, self.shape[3]), dead, options)

    def _weighted(  # noqa: PLR0917
        self, name: str, weights, axis: int, shape, dead: int, options
    ) -> "Net":
        out = shape[-1]
        scales = 2.0 ** self.rng.uniform(-8, -6, out)
        bias = self.rng.integers(-2000, 2000, out)
        bias[:dead] = -(1 << 26)
        w = self.writer.constant(weights.astype(np.int8), scale=scales, axis=axis)
        b = self.writer.constant(bias.astype(np.int32), scale=scales * self.scale)
        return self.step(name, shape, [w, b], 6 / 255, fused_activation_function="RELU6", **options)

    def pad(self) -> "Net":
        _, h, w, c = self.shape
        amounts = self.writer.constant(np.array([[0, 0], [0, 1], [0, 1], [0, 0]], np.int32))
        return self.step("PAD", (1, h + 1, w + 1, c), [amounts], self.scale)

    def residual(self, dead: int = 0) -> "Net":
        """x + conv(x)"""
        before = self.at
        self.conv(self.shape[3], 3, dead=dead)
        out = self.writer.tensor(self.shape, scale=8 / 255, zero_point=-128)
        self.writer.add("ADD", [before, self.at], [out])
        self.at, self.scale = out, 8 / 255
        return self

    def classifier(self, classes: int = 2) -> "Net":
        _, h, w, c = self.shape
        pool = {"filter_height": h, "filter_width": w, "padding": "VALID", "stride_w": 1, "stride_h": 1}
        self.step("AVERAGE_POOL_2D", (1, 1, 1, c), [], self.scale, **pool)
        flat = self.writer.constant(np.array([1, c], np.int32))
        self.step("RESHAPE", (1, c), [flat], self.scale)
        weights = self.rng.integers(-127, 128, (classes, c)).astype(np.int8)
        w = self.writer.constant(weights, scale=0.01)
        b = self.writer.constant(np.zeros(classes, np.int32), scale=0.01 * self.scale)
        self.step("FULLY_CONNECTED", (1, classes), [w, b], 0.05)
        return self.step("SOFTMAX", (1, classes), [], 1 / 256, beta=1.0)

    def build(self, labels: tuple[str, ...] = ()) -> bytes:
        return self.writer.build([self.input], [self.at], labels)


def mobile_net(**dead: int) -> bytes:
    """A MobileNet in miniature; `first`, `middle`, `last` say how many channels there are dead."""
    net = Net().conv(8, 3, 2, dead.get("first", 0)).depthwise().conv(16, dead=dead.get("middle", 0))
    return net.depthwise(2).conv(24, dead=dead.get("last", 0)).classifier().build()
