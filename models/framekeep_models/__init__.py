"""Training, int8 quantisation and the compiler from .tflite to .fkm."""
