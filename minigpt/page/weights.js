/* The files of the page's data: fetched or at hand, unzipped, checked, and read as weights. */

/* An error that people are told of: index.html has the words for its code. */
export const failure = (code, values = {}) => Object.assign(new Error(code), { code, values });

/* What `parse` makes of a file's unzipped bytes. here: {path: base64} of files that are not
   fetched; others come from the folder `base`, and tell(share) is told how far. size, sha256: of
   the unzipped file, where they are known. */
export async function readFile(file, { here, base, tell, size, sha256, parse }) {
  let bytes = here[file] ?? (await download(file, base, tell));
  try {
    if (typeof bytes === "string") bytes = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) { // gzip, unless the host has unpacked it
      const unzipped = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      bytes = new Uint8Array(await new Response(unzipped).arrayBuffer());
    }
    if (size && bytes.length !== size) throw new Error(`${bytes.length} bytes, not ${size}`);
    if (sha256 && globalThis.crypto?.subtle) { // not there on pages that are not secure
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      if (btoa(String.fromCharCode(...hash)) !== sha256) throw new Error("another checksum");
    }
    return parse(bytes);
  } catch ({ message }) {
    throw failure("damaged", { file, message });
  }
}

async function download(file, base, tell) {
  const lost = () => { throw failure("offline", { file }); };
  const answer = await fetch(new URL(file, base)).catch(lost);
  if (!answer.ok) throw failure("missing", { file, status: answer.status });
  const total = answer.headers.get("content-length"), parts = [];
  const reader = answer.body.getReader();
  for (let loaded = 0; ; tell(total ? loaded / total : 0)) {
    const { done, value } = await reader.read().catch(lost);
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    parts.push(value);
    loaded += value.length;
  }
}

/* A safetensors file as a function that gives the weights of a name, float32, and checks how many
   they are. Stored are bfloat16, the first half of a float32, or whole numbers with a scale for
   each row. Without a file all are 0: before its first update a model has no opinion. */
export function readWeights(file) {
  const start = file && 8 + new DataView(file.buffer).getUint32(0, true), tensors = {};
  const leaves = file ? JSON.parse(new TextDecoder().decode(file.subarray(8, start))) : {};
  const raw = ({ data_offsets: [from, to] }) => file.buffer.slice(start + from, start + to);
  const bfloat16 = (leaf) =>
    new Float32Array(Uint32Array.from(new Uint16Array(raw(leaf)), (half) => half << 16).buffer);
  const rows = (leaf, scale) =>
    Float32Array.from(new Int8Array(raw(leaf)), (n, i) => n * scale[Math.floor(i / leaf.shape[1])]);
  for (const [key, leaf] of Object.entries(leaves)) {
    const scale = leaves[`${key}/scale`];
    tensors[key] = scale ? rows(leaf, bfloat16(scale)) : bfloat16(leaf);
    if (!tensors[key].every(Number.isFinite)) throw new Error(`${key} is no number`);
  }
  return (key, ...shape) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const found = file ? tensors[key] : new Float32Array(size);
    if (found?.length === size) return found;
    throw new Error(`${key} has ${found?.length ?? "no"} numbers, not ${size}`);
  };
}
