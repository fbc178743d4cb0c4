"""A Modbus TCP server that is not our own code, for the tests: `pymodbus_server.py PORT`. Unit 1.

holding 0-1    f32 1.5,       abcd    holding 10-11  u32 305419896 (0x12345678), abcd
holding 2-3    f32 1.5,       cdab    holding 12-15  f64 -2.25,                  abcd
holding 4      u16 4242               holding 20     0b1010 (bits 1 and 3)
input 0        i16 -7                 coils 0-3      1 0 1 1
discrete 0-2   0 1 1                  holding 100 and above: exception 2
"""
import asyncio
import struct
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import StartAsyncTcpServer

try:  # pymodbus 3.9 and later
    from pymodbus.datastore import ModbusDeviceContext as UnitContext

    UNITS = "devices"
except ImportError:
    from pymodbus.datastore import ModbusSlaveContext as UnitContext

    UNITS = "slaves"


def words(fmt, value):
    data = struct.pack(">" + fmt, value)
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


holding = [0] * 100
for at, block in {
    0: words("f", 1.5),
    2: words("f", 1.5)[::-1],
    4: [4242],
    10: words("I", 0x12345678),
    12: words("d", -2.25),
    20: [0b1010],
}.items():
    holding[at : at + len(block)] = block

# pymodbus counts the addresses of its blocks from 1
unit = UnitContext(
    co=ModbusSequentialDataBlock(1, [1, 0, 1, 1]),
    di=ModbusSequentialDataBlock(1, [0, 1, 1]),
    ir=ModbusSequentialDataBlock(1, words("h", -7)),
    hr=ModbusSequentialDataBlock(1, holding),
)
context = ModbusServerContext(**{UNITS: {1: unit}, "single": False})
asyncio.run(StartAsyncTcpServer(context, address=("127.0.0.1", int(sys.argv[1]))))
