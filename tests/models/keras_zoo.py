"""Small networks of the families people bring, built in Keras and quantised by TFLite's own converter.

    python tests/models/keras_zoo.py OUT [NAME ...]      # writes OUT/<name>.tflite; needs TensorFlow

Each is trained for a few steps on noise, which is enough to give every layer plausible ranges.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers as nn

INT8, UINT8, FLOAT = "int8", "uint8", "float32"
STEPS_PICTURES = 32


def norm_relu(x: Any, activation: str = "relu6") -> Any:
    return nn.Activation(activation)(nn.BatchNormalization()(x))


def conv(x: Any, filters: int, kernel: int = 3, stride: int = 1, activation: str = "relu6") -> Any:
    x = nn.Conv2D(filters, kernel, stride, padding="same", use_bias=False)(x)
    return norm_relu(x, activation)


def separable(x: Any, filters: int, stride: int = 1, activation: str = "relu6") -> Any:
    x = nn.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(x)
    return conv(norm_relu(x, activation), filters, 1, activation=activation)


def inverted(x: Any, filters: int, stride: int, activation: str = "relu6", squeeze: bool = False) -> Any:
    channels = x.shape[-1]
    h = conv(x, channels * 3, 1, activation=activation)
    h = norm_relu(nn.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(h), activation)
    if squeeze:
        gate = nn.GlobalAveragePooling2D(keepdims=True)(h)
        gate = nn.Conv2D(channels, 1, activation="relu")(gate)
        gate = nn.Conv2D(channels * 3, 1, activation="sigmoid")(gate)
        h = nn.Multiply()([h, gate])
    h = nn.BatchNormalization()(nn.Conv2D(filters, 1, use_bias=False)(h))
    return nn.Add()([x, h]) if stride == 1 and channels == filters else h


def classify(x: Any, classes: int = 3) -> Any:
    return nn.Dense(classes, activation="softmax")(nn.Dropout(0.2)(nn.GlobalAveragePooling2D()(x)))


def mobilenet_v1(size: int = 48) -> Any:
    x = i = nn.Input((size, size, 3))
    x = conv(x, 8, stride=2)
    for filters, stride in ((16, 1), (32, 2), (32, 1), (48, 2), (48, 1)):
        x = separable(x, filters, stride)
    return keras.Model(i, classify(x))


def mobilenet_v2() -> Any:
    x = i = nn.Input((48, 48, 3))
    x = conv(x, 8, stride=2)
    for filters, stride in ((8, 1), (16, 2), (16, 1), (24, 2), (24, 1)):
        x = inverted(x, filters, stride)
    return keras.Model(i, classify(x))


def mobilenet_v3() -> Any:
    """hard-swish and squeeze-and-excite."""
    x = i = nn.Input((48, 48, 3))
    x = conv(x, 8, stride=2, activation="hard_swish")
    for filters, stride in ((8, 1), (16, 2), (16, 1), (24, 2)):
        x = inverted(x, filters, stride, "hard_swish", squeeze=True)
    return keras.Model(i, classify(x))


def fomo() -> Any:
    """A grid of cells, each with class probabilities."""
    x = i = nn.Input((64, 64, 1))
    x = conv(x, 8, stride=2)
    for filters, stride in ((8, 1), (16, 2), (16, 1), (24, 2)):
        x = inverted(x, filters, stride)
    x = nn.Conv2D(3, 1)(nn.Conv2D(16, 1, activation="relu")(x))
    return keras.Model(i, nn.Softmax()(x))


def fomo_logits() -> Any:
    model = fomo()
    return keras.Model(model.input, model.layers[-2].output)


def resnet() -> Any:
    x = i = nn.Input((32, 32, 3))
    x = conv(x, 8, activation="relu")
    for filters, stride in ((8, 1), (16, 2), (24, 2)):
        h = conv(x, filters, 3, stride, "relu")
        h = nn.BatchNormalization()(nn.Conv2D(filters, 3, padding="same", use_bias=False)(h))
        if stride > 1:
            x = nn.Conv2D(filters, 1, stride, padding="same")(x)
        x = nn.Activation("relu")(nn.Add()([x, h]))
    x = nn.Flatten()(nn.AveragePooling2D(4)(x))
    return keras.Model(i, nn.Dense(3)(x))


def ds_cnn() -> Any:
    """Keyword spotting: an odd, tall input and a rectangular first kernel."""
    x = i = nn.Input((49, 10, 1))
    x = norm_relu(nn.Conv2D(16, (10, 4), (2, 2), padding="same", use_bias=False)(x), "relu")
    for _ in range(3):
        x = separable(x, 16, activation="relu")
    x = nn.Flatten()(nn.AveragePooling2D((25, 5))(x))
    return keras.Model(i, nn.Dense(12, activation="softmax")(x))


def dense_autoencoder() -> Any:
    x = i = nn.Input((64,))
    for width in (32, 32, 4, 32, 32):
        x = nn.Activation("relu")(nn.BatchNormalization()(nn.Dense(width)(x)))
    return keras.Model(i, nn.Dense(64)(x))


def conv_autoencoder() -> Any:
    x = i = nn.Input((32, 32, 1))
    x = nn.Conv2D(8, 3, 2, padding="same", activation="relu")(x)
    x = nn.LeakyReLU(negative_slope=0.1)(nn.Conv2D(12, 3, 2, padding="same")(x))
    x = nn.Conv2DTranspose(8, 3, 2, padding="same", activation="relu")(x)
    x = nn.UpSampling2D(2, interpolation="bilinear")(x)
    return keras.Model(i, nn.Conv2D(1, 3, padding="same", activation="sigmoid")(x))


def ssd() -> Any:
    """Two scales of class scores and boxes, flattened and joined."""
    x = i = nn.Input((64, 64, 3))
    x = conv(x, 8, stride=2)
    x = separable(separable(x, 16, 2), 16)
    far = separable(x, 24, 2)
    classes, boxes = [], []
    for level in (x, far):
        classes.append(nn.Reshape((-1, 3))(nn.Conv2D(3 * 2, 3, padding="same")(level)))
        boxes.append(nn.Reshape((-1, 4))(nn.Conv2D(4 * 2, 3, padding="same")(level)))
    scores = nn.Activation("sigmoid")(nn.Concatenate(axis=1)(classes))
    return keras.Model(i, [scores, nn.Concatenate(axis=1)(boxes)])


def pyramid() -> Any:
    """A detector with an upsampled path, PReLU, max pooling and explicit padding."""
    x = i = nn.Input((48, 48, 3))
    x = nn.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = nn.PReLU(shared_axes=[1, 2])(nn.Conv2D(8, 3, 2, padding="valid")(x))
    x = nn.MaxPooling2D(3, 2, padding="same")(x)
    near = separable(x, 16)
    far = separable(near, 24, 2)
    up = nn.UpSampling2D(2, interpolation="nearest")(conv(far, 16, 1))
    joined = nn.Concatenate()([near, up])
    return keras.Model(i, [nn.Conv2D(6, 1)(joined), nn.Conv2D(6, 1, activation="tanh")(far)])


def shuffle() -> Any:
    """Split, transform a half, join, shuffle; dilation, depth multiplier and subtraction as well."""
    x = i = nn.Input((32, 32, 3))
    x = nn.DepthwiseConv2D(3, 2, padding="same", depth_multiplier=4)(x)
    for dilation in (1, 2):
        left, right = x[..., :6], x[..., 6:]
        right = nn.Conv2D(6, 3, padding="same", dilation_rate=dilation, activation="relu")(right)
        left = nn.Subtract()([left, right])
        x = nn.Concatenate()([left, right])
        x = nn.Reshape((16, 16, 2, 6))(x)
        x = nn.Reshape((16, 16, 12))(nn.Permute((1, 2, 4, 3))(x))
    return keras.Model(i, classify(x))


def application_mobilenet() -> Any:
    return keras.applications.MobileNet((96, 96, 1), alpha=0.25, weights=None, classes=2)


def application_mobilenet_v2() -> Any:
    return keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None, classes=2)


# name: (network, type at the boundary)
ZOO: dict[str, tuple[Callable[[], Any], str]] = {
    "mobilenet_v1": (mobilenet_v1, INT8),
    "mobilenet_v2": (mobilenet_v2, INT8),
    "mobilenet_v2_uint8": (mobilenet_v2, UINT8),
    "mobilenet_v3": (mobilenet_v3, INT8),
    "fomo": (fomo, INT8),
    "fomo_float": (fomo, FLOAT),
    "fomo_logits": (fomo_logits, INT8),
    "resnet": (resnet, INT8),
    "ds_cnn": (ds_cnn, INT8),
    "dense_autoencoder": (dense_autoencoder, INT8),
    "conv_autoencoder": (conv_autoencoder, UINT8),
    "ssd": (ssd, INT8),
    "pyramid": (pyramid, FLOAT),
    "shuffle": (shuffle, INT8),
    "application_mobilenet": (application_mobilenet, INT8),
    "application_mobilenet_v2": (application_mobilenet_v2, INT8),
}


def build(name: str) -> bytes:
    """The network, warmed up and quantised after training, as a .tflite."""
    keras.utils.set_random_seed(1)
    make, boundary = ZOO[name]
    model = make()
    rng = np.random.default_rng(0)
    shape = (STEPS_PICTURES, *model.input_shape[1:])
    pictures = (rng.random(shape) * rng.random((STEPS_PICTURES, *[1] * (len(shape) - 1)))).astype(np.float32)
    outputs = model(pictures[:1])
    goals = [rng.random((STEPS_PICTURES, *o.shape[1:])).astype(np.float32) for o in tf.nest.flatten(outputs)]
    model.compile("adam", "mse")
    model.fit(pictures, goals if len(goals) > 1 else goals[0], epochs=2, batch_size=8, verbose=0)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([p[None]] for p in pictures)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    if boundary != FLOAT:
        converter.inference_input_type = converter.inference_output_type = tf.as_dtype(boundary)
    return bytes(converter.convert())


def main(argv: list[str]) -> int:
    out = Path(argv[0])
    out.mkdir(parents=True, exist_ok=True)
    for name in argv[1:] or ZOO:
        (out / f"{name}.tflite").write_bytes(build(name))
        print(name, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
