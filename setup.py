"""The C extension, which pyproject.toml cannot declare; without a compiler it is left out."""

from pathlib import Path

from setuptools import Extension, setup

KERNEL = Path("src/crossbit/hamming/kernel")

setup(
    ext_modules=[
        Extension(
            "crossbit.hamming._kernel",
            sources=sorted(path.as_posix() for path in KERNEL.glob("*.c")),
            depends=sorted(path.as_posix() for path in KERNEL.glob("*.h")),
            extra_compile_args=["-O3", "-std=gnu11", "-fvisibility=hidden"],
            py_limited_api=True,
            optional=True,  # crossbit.hamming says what is missing, and works
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
