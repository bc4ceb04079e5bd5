"""Whether KVM really works here: a virtual processor is made, put into 64-bit mode, and calculates.

The device node says little. On many rented machines every call on it fails; on others (kvm-pvm) calls work and simple
code runs, but a usual kernel dies at the first instruction that the emulator does not know. So one such is in the code.
Run as a program it tries and ends with 0, or with 1 and one line that says what failed.
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
_MEMORY = 8 * mmap.PAGESIZE
_PAGE_TABLES, _START = 0x1000, 0x4000
_CODE = bytes.fromhex(
    "b805000000"  # mov eax, 5
    "ba03000000"  # mov edx, 3
    "c4e269f7c0"  # shlx eax, eax, edx
    "83f828"  # cmp eax, 40
    "7501"  # jne to the last
    "f4"  # hlt: this is what success looks like
    "e610"  # out 0x10, al
)


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
    memory = stack.enter_context(mmap.mmap(-1, _MEMORY))
    for level in (0, 1):  # two tables that lead to the third, which maps the first 2 MiB as they are
        struct.pack_into("=Q", memory, _PAGE_TABLES + level * 0x1000, _PAGE_TABLES + (level + 1) * 0x1000 | 3)
    struct.pack_into("=Q", memory, _PAGE_TABLES + 0x2000, 0x83)
    memory[_START : _START + len(_CODE)] = _CODE
    view = (ctypes.c_char * _MEMORY).from_buffer(memory)
    fcntl.ioctl(machine, _SET_USER_MEMORY_REGION, struct.pack("=IIQQQ", 0, 0, 0, _MEMORY, ctypes.addressof(view)))
    processor = kept(fcntl.ioctl(machine, _CREATE_VCPU, 0))
    shared = stack.enter_context(mmap.mmap(processor, fcntl.ioctl(kvm, _GET_VCPU_MMAP_SIZE, 0)))
    state = bytearray(_SREGS_BYTES)
    fcntl.ioctl(processor, _GET_SREGS, state)
    _long_mode(state)
    fcntl.ioctl(processor, _SET_SREGS, state)
    registers = [0] * 18
    registers[16], registers[17] = _START, 2  # instruction pointer; flags
    fcntl.ioctl(processor, _SET_REGS, struct.pack("=18Q", *registers))
    fcntl.ioctl(processor, _RUN, 0)
    reason = int(struct.unpack_from("=I", shared, 8)[0])
    del view
    return None if reason == _EXIT_HLT else f"a virtual processor stopped with exit reason {reason} instead of running"


def _long_mode(state: bytearray) -> None:
    """Segments and control registers of 64-bit code at the highest privilege, in the form of struct kvm_sregs."""
    segment = struct.Struct("=QIH8B")  # base, limit, selector; type, present, dpl, db, s, l, g, avl
    segment.pack_into(state, 0, 0, 0xFFFFFFFF, 8, 11, 1, 0, 0, 1, 1, 1, 0)
    for data in range(1, 6):
        segment.pack_into(state, 24 * data, 0, 0xFFFFFFFF, 16, 3, 1, 0, 1, 1, 0, 1, 0)
    struct.pack_into("=4Q", state, 224, 0x80050033, 0, _PAGE_TABLES, 0x20)  # cr0 with paging, cr2, cr3, cr4 with PAE
    struct.pack_into("=Q", state, 264, 0x500)  # efer: long mode


if __name__ == "__main__":
    found = problem()
    if found:
        print(found)
    sys.exit(1 if found else 0)
