#!/usr/bin/env python3
"""Draws icon.png, the icon of the packages: a cairn, a pile of stones. Needs Python alone."""
import math, pathlib, struct, zlib

SIZE, FINE = 128, 4
# Centre, half axes, tilt in degrees, grey; from the ground up.
STONES = [
    (64, 108, 50, 15, 0, 84), (62, 82, 39, 13, -4, 110), (66, 60, 29, 11, 5, 134), (63, 41, 20, 10, -6, 158), (65, 24, 12, 8, 4, 184),
]


def colour(x, y):
    """What is seen at a point: red, green, blue, opacity. The light comes from the upper left."""
    for cx, cy, a, b, tilt, grey in reversed(STONES):
        turn = math.radians(tilt)
        dx, dy = x - cx, y - cy
        u, v = (dx * math.cos(turn) + dy * math.sin(turn)) / a, (dy * math.cos(turn) - dx * math.sin(turn)) / b
        # Between a circle and a square: worn stones.
        if abs(u) ** 2.6 + abs(v) ** 2.6 <= 1:
            light = round(grey - 14 * u - 30 * v)
            return light, light, min(255, light + 8), 255
    return 0, 0, 0, 0


def pixel(px, py):
    points = [colour(px + (i + .5) / FINE, py + (j + .5) / FINE) for i in range(FINE) for j in range(FINE)]
    opacity = sum(p[3] for p in points)
    if opacity == 0:
        return bytes(4)
    return bytes([round(sum(p[c] * p[3] for p in points) / opacity) for c in range(3)] + [round(opacity / len(points))])


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


rows = b"".join(b"\0" + b"".join(pixel(x, y) for x in range(SIZE)) for y in range(SIZE))
png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIZE, SIZE, 8, 6, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
pathlib.Path(__file__).with_name("icon.png").write_bytes(png)
