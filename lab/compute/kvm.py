"""Whether KVM really works here: a virtual processor is made and runs two instructions.

The device node alone says little: on many rented machines it is there and every call on it fails. Run as a program it
tries and ends with 0, or with 1 and one line that says what failed.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import struct
import sys
from contextlib import ExitStack
from pathlib import Path

DEVICE = Path("/dev/kvm")
_GET_API_VERSION, _CREATE_VM, _GET_VCPU_MMAP_SIZE = 0xAE00, 0xAE01, 0xAE04
_SET_USER_MEMORY_REGION, _CREATE_VCPU, _RUN = 0x4020AE46, 0xAE41, 0xAE80
_GET_SREGS, _SET_SREGS, _SET_REGS = 0x8138AE83, 0x4138AE84, 0x4090AE82
_SREGS_BYTES = 312
_EXIT_HLT = 5
_START = 0x1000
_CODE = b"\x04\x02\xf4"  # add al, 2; hlt


def problem(device: Path = DEVICE) -> str | None:
    """What keeps KVM from working, None when it works."""
    try:
        with ExitStack() as stack:
            return _try(device, stack)
    except OSError as error:
        return f"{device}: {error.strerror}"


def _try(device: Path, stack: ExitStack) -> str | None:
    def kept(handle: int) -> int:
        stack.callback(os.close, handle)
        return handle

    kvm = kept(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    version = fcntl.ioctl(kvm, _GET_API_VERSION, 0)
    if version != 12:
        return f"{device} speaks version {version} of the interface, not 12"
    machine = kept(fcntl.ioctl(kvm, _CREATE_VM, 0))
    memory = stack.enter_context(mmap.mmap(-1, mmap.PAGESIZE))
    memory.write(_CODE)
    view = (ctypes.c_char * mmap.PAGESIZE).from_buffer(memory)
    fcntl.ioctl(machine, _SET_USER_MEMORY_REGION, struct.pack("=IIQQQ", 0, 0, _START, mmap.PAGESIZE, ctypes.addressof(view)))
    processor = kept(fcntl.ioctl(machine, _CREATE_VCPU, 0))
    shared = stack.enter_context(mmap.mmap(processor, fcntl.ioctl(kvm, _GET_VCPU_MMAP_SIZE, 0)))
    segments = bytearray(_SREGS_BYTES)
    fcntl.ioctl(processor, _GET_SREGS, segments)
    struct.pack_into("=QIH", segments, 0, 0, 0xFFFF, 0)  # code segment: base 0, as in real mode
    fcntl.ioctl(processor, _SET_SREGS, segments)
    registers = [0] * 18
    registers[16], registers[17] = _START, 2  # instruction pointer; flags
    fcntl.ioctl(processor, _SET_REGS, struct.pack("=18Q", *registers))
    fcntl.ioctl(processor, _RUN, 0)
    reason = int(struct.unpack_from("=I", shared, 8)[0])
    del view
    return None if reason == _EXIT_HLT else f"a virtual processor stopped with exit reason {reason} instead of running"


if __name__ == "__main__":
    found = problem()
    if found:
        print(found)
    sys.exit(1 if found else 0)
