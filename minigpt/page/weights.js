/* The files of the page's data: fetched or at hand, unzipped, checked, and read as weights. */

/* An error: a code for programs, and for people what happened and what to do. */
export const failure = (code, message) => Object.assign(new Error(message), { code });

const AGAIN = "Load the page again; if it stays so, make the page anew: python3 -m minigpt page";

/* The bytes of a file, unzipped. here: {path: Uint8Array or base64} of files that are not fetched;
   others come from the folder `base`. tell(loaded, total): bytes so far. wanted: {size, sha256} of
   the unzipped file, where they are known. */
export async function readFile(path, { here, base, tell, wanted }) {
  let bytes = here[path] ?? (await download(path, base, tell));
  if (typeof bytes === "string") bytes = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
  try {
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) { // gzip, unless the host has unpacked it
      const unzipped = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      bytes = new Uint8Array(await new Response(unzipped).arrayBuffer());
    }
    if (wanted?.size && bytes.length !== wanted.size) throw new Error("another length");
    if (wanted?.sha256 && globalThis.crypto?.subtle) { // not there on pages that are not secure
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      const hex = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
      if (hex !== wanted.sha256) throw new Error("another checksum");
    }
    return bytes;
  } catch (error) {
    throw failure("damaged", `${path} is damaged or cut off (${error.message}). ${AGAIN}`);
  }
}

async function download(path, base, tell) {
  const lost = () => failure("offline", `${path} could not be loaded: the connection is lost, or a `
    + "page from a folder asks for files, which browsers refuse. Go online and try again; without a "
    + "network use the page in one file: python3 -m minigpt page --single FILE.html");
  const answer = await fetch(new URL(path, base)).catch(() => { throw lost(); });
  if (!answer.ok) {
    throw failure("missing", `${path} is not where the page is (the server says ${answer.status}). ${AGAIN}`);
  }
  const total = Number(answer.headers.get("content-length")) || null;
  const parts = [];
  let loaded = 0;
  try {
    for (const reader = answer.body.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      tell?.((loaded += value.length), total);
    }
  } catch {
    throw lost();
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/* The tensors of a safetensors file, {name: {shape, data}} as float32, and what it says of itself.
   Stored are bfloat16, the first half of a float32, or whole numbers with a scale for each row. */
export function readTensors(file, name) {
  try {
    const start = 8 + new DataView(file.buffer, file.byteOffset).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(file.subarray(8, start)));
    const { __metadata__: about, ...leaves } = header;
    const raw = ({ shape, data_offsets: [from, to] }, Numbers) => {
      const data = new Numbers(file.slice(start + from, start + to).buffer);
      if (data.length !== product(shape)) throw new Error("a part is not whole");
      return data;
    };
    const bfloat16 = (leaf) =>
      new Float32Array(Uint32Array.from(raw(leaf, Uint16Array), (half) => half << 16).buffer);
    const rows = (leaf, scale) =>
      Float32Array.from(raw(leaf, Int8Array), (n, i) => n * scale[Math.floor(i / leaf.shape[1])]);
    const tensors = {};
    for (const [key, leaf] of Object.entries(leaves)) {
      if (key.endsWith("/scale")) continue;
      const scale = leaves[`${key}/scale`];
      if (leaf.dtype !== (scale ? "I8" : "BF16")) throw new Error(`it holds ${leaf.dtype}`);
      const data = scale ? rows(leaf, bfloat16(scale)) : bfloat16(leaf);
      if (!data.every(Number.isFinite)) throw new Error("a weight is no number");
      tensors[key] = { shape: leaf.shape, data };
    }
    const end = start + Math.max(...Object.values(leaves).map((leaf) => leaf.data_offsets[1]));
    if (end !== file.length) throw new Error(`${file.length} bytes in place of ${end}`);
    return { tensors, meta: JSON.parse(about?.minigpt ?? "{}") };
  } catch (error) {
    throw failure("damaged", `${name} is damaged or cut off (${error.message}). ${AGAIN}`);
  }
}

/* A function that gives the weights of a name and checks their shape. Without tensors all are 0, as
   those are on which a first guess depends before training. */
export const takeFrom = (tensors, name) => (key, ...shape) => {
  const found = tensors ? tensors[key] : { shape, data: new Float32Array(product(shape)) };
  if (String(found?.shape) === String(shape)) return found.data;
  const is = found ? `[${found.shape}]` : "absent";
  throw failure("damaged", `${name} is another model: ${key} is ${is}, not [${shape}]. ${AGAIN}`);
};

function product(shape) {
  return shape.reduce((a, b) => a * b, 1);
}
