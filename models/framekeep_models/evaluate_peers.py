"""Detectors of others, judged by the same rule as ours."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from framekeep_models.data import Picture
from framekeep_models.data_crops import read_rgb
from framekeep_models.evaluate_scenes import Look

PADDING = 8  # pixels on every side


def hog_looks(pictures: Sequence[Picture]) -> list[Look]:
    """OpenCV's HOG+SVM people detector at its usual settings, on whole frames at their own size.

    Its weights are no probabilities: they are squeezed into 0..255 in their order, which leaves average
    precision as it is. The point of a detection is the middle of its window. In a picture that its
    window does not fit into, padded as it is, it finds nothing (OpenCV would read past the picture's end).
    """
    hog = cv2.HOGDescriptor()
    hog.setSVMDetector(np.asarray(cv2.HOGDescriptor.getDefaultPeopleDetector()))
    looks = []
    for picture in pictures:
        image = cv2.cvtColor(read_rgb(picture.path), cv2.COLOR_RGB2BGR)
        height, width = image.shape[:2]
        if width + 2 * PADDING < hog.winSize[0] or height + 2 * PADDING < hog.winSize[1]:
            looks.append(Look((), 0.0))
            continue
        windows, weights = hog.detectMultiScale(
            image, winStride=(8, 8), padding=(PADDING, PADDING), scale=1.05
        )
        found = tuple(
            (255 * float(w) / (1 + float(w)), (x + sx / 2) / width, (y + sy / 2) / height)
            for (x, y, sx, sy), w in zip(windows, np.ravel(weights), strict=True)
        )
        looks.append(Look(found, 0.0))
    return looks
