/**
 * The *metadata* of an ONNX file, which ONNX Runtime in browsers keeps to itself: labels, preprocessing and the constants of
 * the search for faces travel in it, so that any file of `duchenne model export` works here.
 */

/** Field `metadata_props` of `ModelProto`, and the two fields of its entries (onnx.proto3). */
const METADATA = 14;
const [KEY, VALUE] = [1, 2];

/** The entries of a file. */
export function metadataOf(file: Uint8Array): Map<string, string> {
  const entries = new Map<string, string>();
  const decoder = new TextDecoder();
  for (const [field, value] of fields(file)) {
    if (field !== METADATA) continue;
    const entry = new Map(fields(value));
    const text = (which: number): string => decoder.decode(entry.get(which) ?? new Uint8Array());
    entries.set(text(KEY), text(VALUE));
  }
  return entries;
}

/** The fields of a protobuf message that have a length, each with its bytes. */
function* fields(message: Uint8Array): Generator<[number, Uint8Array]> {
  let at = 0;
  const number = (): number => {
    for (let value = 0, weight = 1; at < message.length && weight < 2 ** 63; weight *= 128) {
      const byte = message[at]!;
      at += 1;
      value += (byte & 127) * weight;
      if (byte < 128) return value;
    }
    throw new Error("not an ONNX file");
  };
  while (at < message.length) {
    const tag = number();
    const field = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0: number(); break;
      case 1: at += 8; break;
      case 2: {
        const length = number();
        if (at + length > message.length) throw new Error("not an ONNX file, or one that is cut off");
        yield [field, message.subarray(at, at + length)];
        at += length;
        break;
      }
      case 5: at += 4; break;
      default: throw new Error("not an ONNX file");
    }
  }
}
