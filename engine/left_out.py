"""What NumPy and JAX have and Weft has not: why, and what to write instead.

The one idea: one table says it to everyone: the error of a name that is not there, the error of a NumPy function that traced
arrays reach, and the page docs/numpy.md. A test fails for a name that is neither in `weft.numpy` nor here.
"""

from __future__ import annotations

from collections.abc import Iterable

_DATES = "arrays hold numbers: count days as integers, or work on dates with numpy before"
_TEXT = "arrays hold numbers, not text or bytes"
_OBJECTS = "arrays hold numbers, not objects or records: a tree (dict, tuple) of arrays takes the place of a record array"
_WIDE = "no long double: a processor's vectors and GPUs have none. Use float64 or complex128"
_WARNINGS = "no floating-point warnings are written: look for NaN with weft.config.update(debug_nans=True)"
_BUFFERS = "results are whole arrays, made by compiled loops without buffers to size"
_MATRIX = "arrays of two axes and x @ y take the place of the matrix class"
_IN_PLACE = (
    "arrays are immutable: write x = x.at[index].set(values), or x = weft.numpy.where(mask, values, x)"
)
_MAPPED = "files are read whole: numpy.memmap arrays go into functions as they are, and are copied"
_ITERATE = "a Python loop over elements is slow: write the function of one element and weft.vmap it, or use ndenumerate"

FUNCTIONS: dict[str, str] = {
    **dict.fromkeys(
        ("busday_count", "busday_offset", "busdaycalendar", "datetime64", "datetime_as_string", "datetime_data",
         "is_busday", "isnat", "timedelta64"), _DATES),
    **dict.fromkeys(("bytes_", "str_"), _TEXT),
    **dict.fromkeys(("fromregex", "recarray", "record", "void"), _OBJECTS),
    **dict.fromkeys(("clongdouble", "complex256", "float128", "longdouble"), _WIDE),
    **dict.fromkeys(("errstate", "geterr", "geterrcall", "seterr", "seterrcall"), _WARNINGS),
    **dict.fromkeys(("getbufsize", "setbufsize"), _BUFFERS),
    **dict.fromkeys(("asmatrix", "bmat", "matrix"), _MATRIX),
    **dict.fromkeys(("flatiter", "nditer", "nested_iters"), _ITERATE),
    "copyto": _IN_PLACE,
    "memmap": _MAPPED,
    "poly1d": "a class whose length depends on values: use coefficients with polyadd, polymul, polyval, polyder, roots",
    "get_include": "about NumPy's own installation: numpy.get_include()",
    "info": "Python's help() reads the documentation",
    "show_config": "about NumPy's own installation: numpy.show_config()",
    "show_runtime": "about NumPy's own installation: numpy.show_runtime()",
    "test": "about NumPy's own installation; weft's tests are run by pytest",
    "ComplexWarning": "no such warning is written: a cast of complex to real takes the real part",
    "as_strided": "arrays are contiguous: index with arrays of positions, which fuses",
    **dict.fromkeys(
        ("float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz",
         "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"),
        "for the matrix units of accelerators: the smallest floats here are float16 and bfloat16"),
    **dict.fromkeys(("int1", "int2", "int4", "uint1", "uint2", "uint4"),
                    "parts of bytes are no dtypes here: the smallest integers are int8 and uint8"),
}  # fmt: skip
"""Names of the modules: why there is no such function."""

METHODS: dict[str, str] = {
    **dict.fromkeys(("fill", "put", "itemset", "setfield"), _IN_PLACE),
    **dict.fromkeys(("dump", "dumps"), "use pickle, which arrays support, or weft.numpy.save"),
    **dict.fromkeys(("base", "ctypes", "data", "flags", "setflags"),
                    "the memory is nobody's to change: numpy.asarray(x) shows it, read-only"),
    **dict.fromkeys(("getfield", "byteswap", "newbyteorder"),
                    "elements are numbers in the machine's own byte order: view(dtype) reads their bits as another dtype"),
    "tofile": "numpy.asarray(x).tofile(file) writes the bytes, weft.numpy.save(file, x) shape and dtype too",
    "resize": "arrays are immutable: write x = weft.numpy.resize(x, shape)",
    **dict.fromkeys(
        ("addressable_data", "addressable_shards", "committed", "global_shards", "is_fully_addressable",
         "is_fully_replicated", "sharding"), "an array is on one device: there are no shards"),
    "copy_to_host_async": "on the CPU an array is on the host already",
}  # fmt: skip
"""Methods and properties of arrays: why there is none."""


def advice(name: str, known: Iterable[str]) -> str:
    """What to write in place of a function that Weft has not: from the table, or names that look like it."""
    import difflib  # of use to nobody else

    if name in FUNCTIONS:
        why = FUNCTIONS[name]
        return f"{why[0].upper()}{why[1:]}."
    near = difflib.get_close_matches(name, known, 3, 0.75)
    return f"There is {', '.join(f'weft.numpy.{n}' for n in near)}." if near else ""
