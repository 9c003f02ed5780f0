/* The files of the page's data: fetched or at hand, unzipped, checked, and read as weights. */

/* An error: a code for programs, and for people what happened and what to do. */
export const failure = (code, message) => Object.assign(new Error(message), { code });

const AGAIN = "Load the page again; if it stays so, make the page anew: python3 -m minigpt page";

/* What `parse` makes of a file's unzipped bytes. here: {path: Uint8Array or base64} of files that
   are not fetched; others come from the folder `base`, and tell(loaded, total) is told how far.
   wanted: {size, sha256} of the unzipped file, where they are known. */
export async function readFile(path, { here, base, tell, wanted, parse }) {
  let bytes = here[path] ?? (await download(path, base, tell));
  try {
    if (typeof bytes === "string") bytes = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) { // gzip, unless the host has unpacked it
      const unzipped = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      bytes = new Uint8Array(await new Response(unzipped).arrayBuffer());
    }
    if (wanted.size && bytes.length !== wanted.size) throw new Error("another length");
    if (wanted.sha256 && globalThis.crypto?.subtle) { // not there on pages that are not secure
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      const hex = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
      if (hex !== wanted.sha256) throw new Error("another checksum");
    }
    return parse(bytes);
  } catch (error) {
    throw failure("damaged", `${path} is damaged or cut off (${error.message}). ${AGAIN}`);
  }
}

async function download(path, base, tell) {
  const lost = () => failure("offline", `${path} cannot be loaded: there is no connection, or the `
    + "page was opened as a file, which browsers do not let read others. Try again when online; "
    + "without a network, use the page in one file: python3 -m minigpt page --single FILE");
  const answer = await fetch(new URL(path, base)).catch(() => { throw lost(); });
  if (!answer.ok) throw failure("missing", `${path} is not there (${answer.status}). ${AGAIN}`);
  const total = Number(answer.headers.get("content-length")), parts = [];
  const reader = answer.body.getReader();
  for (let loaded = 0; ; tell(loaded, total)) {
    const { done, value } = await reader.read().catch(() => { throw lost(); });
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    parts.push(value);
    loaded += value.length;
  }
}

/* The tensors of a safetensors file, {name: {shape, data}}, as float32.
   Stored are bfloat16, the first half of a float32, or whole numbers with a scale for each row. */
export function readTensors(file) {
  const start = 8 + new DataView(file.buffer, file.byteOffset).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, start)));
  const { __metadata__: _, ...leaves } = header, tensors = {};
  const raw = ({ shape, data_offsets: [from, to] }, Numbers) => {
    const data = new Numbers(file.slice(start + from, start + to).buffer);
    if (data.length !== product(shape)) throw new Error("a part is not whole");
    return data;
  };
  const bfloat16 = (leaf) =>
    new Float32Array(Uint32Array.from(raw(leaf, Uint16Array), (half) => half << 16).buffer);
  const rows = (leaf, scale) =>
    Float32Array.from(raw(leaf, Int8Array), (n, i) => n * scale[Math.floor(i / leaf.shape[1])]);
  for (const [key, leaf] of Object.entries(leaves)) {
    const scale = leaves[`${key}/scale`];
    if (leaf.dtype !== (scale ? "I8" : "BF16")) throw new Error(`${key} is ${leaf.dtype}`);
    const data = scale ? rows(leaf, bfloat16(scale)) : bfloat16(leaf);
    if (!data.every(Number.isFinite)) throw new Error(`${key} is no number`);
    tensors[key] = { shape: leaf.shape, data };
  }
  const end = start + Math.max(...Object.values(leaves).map((leaf) => leaf.data_offsets[1]));
  if (end !== file.length) throw new Error(`${file.length} bytes in place of ${end}`);
  return tensors;
}

/* A function that gives the weights of a name and checks their shape. Without tensors all are 0:
   before its first update a model has no opinion. */
export const takeFrom = (tensors) => (key, ...shape) => {
  const found = tensors ? tensors[key] : { shape, data: new Float32Array(product(shape)) };
  if (String(found?.shape) === String(shape)) return found.data;
  throw new Error(`${key} is ${found ? `[${found.shape}]` : "absent"} in place of [${shape}]`);
};

const product = (shape) => shape.reduce((a, b) => a * b, 1);
