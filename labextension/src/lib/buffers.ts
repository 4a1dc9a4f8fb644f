/** Binary answers as typed arrays. What is sent is little-endian, as every browser's machine is. */

/** A view of the same bytes. */
export function bytes(data: DataView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Float32 numbers: of the same bytes where they begin at a multiple of four, else of a copy. */
export function floats(data: DataView): Float32Array {
  const size = Float32Array.BYTES_PER_ELEMENT;
  if (data.byteLength % size !== 0) throw new RangeError(`${data.byteLength} bytes are no float32 numbers`);
  if (data.byteOffset % size === 0) return new Float32Array(data.buffer, data.byteOffset, data.byteLength / size);
  return new Float32Array(bytes(data).slice().buffer);
}
