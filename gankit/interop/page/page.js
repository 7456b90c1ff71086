// A network of gankit in the browser: pictures go to no server. about.json says what the network takes.

const by = (id) => document.getElementById(id);
const about = await fetch("about.json").then((answer) => answer.json()).catch(() => {
  say("about.json cannot be read: serve the whole folder, as README.md says.", true);
  throw new Error("about.json cannot be read");
});
const fields = Object.fromEntries(about.inputs.map((input) => [input.name, input]));
const picture = fields.source;
let image = null; // what was chosen, as an ImageBitmap
let hole = null; // a canvas of the size of #source, opaque where to fill

function say(text, wrong = false) {
  by("message").textContent = text;
  by("message").className = wrong ? "wrong" : "";
}

// -- the runtime: fetched with its SHA-384, whatever server it comes from --------------------------------------------
async function runtime() {
  const load = async ({ url, integrity }) => {
    const answer = await fetch(url, { integrity, mode: "cors" }).catch((error) => {
      const why = `${url} cannot be fetched, or is not the file that was expected (${error.message})`;
      throw new Error(`${why}. README.md says how the page does without other servers.`);
    });
    if (!answer.ok) throw new Error(`${url}: status ${answer.status}`);
    return answer.arrayBuffer();
  };
  const [script, wasm] = await Promise.all([load(about.runtime.script), load(about.runtime.wasm)]);
  const place = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const ort = await import(place);
  ort.env.wasm.wasmBinary = wasm;
  if (!self.crossOriginIsolated) ort.env.wasm.numThreads = 1;
  return ort;
}

// -- pictures and tensors -------------------------------------------------------------------------------------------
function sizeOf(width, height) {
  if (about.fixed_side) return [about.fixed_side, about.fixed_side];
  const most = Number(by("side").value);
  const factor = Math.min(1, most / Math.max(width, height));
  const side = (length) => Math.max(about.smallest_side, Math.round(length * factor));
  return [side(width), side(height)];
}

function pixelsOf(source, width, height, smooth = true) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = smooth;
  context.imageSmoothingQuality = "high";
  if (smooth) {
    context.fillStyle = "white"; // transparent pictures lie on white, as in training
    context.fillRect(0, 0, width, height);
  }
  context.drawImage(source, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

function pictureTensor(ort, rgba, channels, width, height) {
  const count = width * height;
  const data = new Float32Array(channels * count);
  for (let i = 0; i < count; i++) {
    const [r, g, b] = [rgba[4 * i], rgba[4 * i + 1], rgba[4 * i + 2]];
    if (channels === 1) data[i] = ((19595 * r + 38470 * g + 7471 * b + 32768) >> 16) / 127.5 - 1;
    else [data[i], data[count + i], data[2 * count + i]] = [r / 127.5 - 1, g / 127.5 - 1, b / 127.5 - 1];
  }
  return new ort.Tensor("float32", data, [1, channels, height, width]);
}

function maskTensor(ort, width, height) {
  const rgba = pixelsOf(hole, width, height, false);
  const data = Float32Array.from({ length: width * height }, (_, i) => (rgba[4 * i + 3] > 127 ? 1 : 0));
  if (!data.some((value) => value)) throw new Error("paint over the picture what is to be filled");
  if (data.every((value) => value)) throw new Error("all of the picture is painted over: leave something of it");
  return new ort.Tensor("float32", data, [1, 1, height, width]);
}

async function mapTensor(ort, input, width, height) {
  const file = by(`input-${input.name}`).files[0];
  if (!file) throw new Error(`choose a file for ${input.name}: ${input.what}`);
  const rgba = pixelsOf(await createImageBitmap(file), width, height, false);
  const count = width * height;
  const data = new Float32Array(input.channels * count);
  for (let i = 0; i < count; i++) {
    if (input.kind !== "segmentation") data[i] = rgba[4 * i] > 127 ? 1 : 0;
    else if (rgba[4 * i] < input.channels) data[rgba[4 * i] * count + i] = 1;
  }
  return new ort.Tensor("float32", data, [1, input.channels, height, width]);
}

function numbersTensor(ort, input) {
  const text = by(`input-${input.name}`).value.trim();
  const numbers = text.split(",").map(Number);
  if (numbers.length !== input.size || !text || !numbers.every(Number.isFinite))
    throw new Error(`${input.name} is ${input.what}, separated by commas`);
  return new ort.Tensor("float32", Float32Array.from(numbers), [1, input.size]);
}

async function feed(ort, width, height) {
  const tensors = {};
  for (const input of about.inputs) {
    if (input.name === "source")
      tensors.source = pictureTensor(ort, pixelsOf(image, width, height), input.channels, width, height);
    else if (input.name === "hole") tensors.hole = maskTensor(ort, width, height);
    else if (input.kind === "label")
      tensors[input.name] = new ort.Tensor("int64", [BigInt(by(`input-${input.name}`).value)], [1]);
    else if (input.kind === "vector") tensors[input.name] = numbersTensor(ort, input);
    else tensors[input.name] = await mapTensor(ort, input, width, height);
  }
  return tensors;
}

function show(tensor) {
  const [, channels, height, width] = tensor.dims;
  const data = tensor.data;
  if (!data.every(Number.isFinite)) throw new Error("the network gave values that are not finite");
  const pixels = new ImageData(width, height);
  const count = width * height;
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = Math.round((data[(channels === 1 ? 0 : c) * count + i] + 1) * 127.5);
    pixels.data[4 * i + 3] = 255;
  }
  const canvas = by("result");
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  by("save").href = canvas.toDataURL("image/png");
  by("save").hidden = false;
}

// -- the page -------------------------------------------------------------------------------------------------------
function draw() {
  by("shown").value = by("side").value;
  if (!image) return;
  const [width, height] = sizeOf(image.width, image.height);
  const canvas = by("source");
  if (canvas.width !== width || canvas.height !== height || !hole) {
    [canvas.width, canvas.height] = [width, height];
    hole = new OffscreenCanvas(width, height);
  }
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0, width, height);
  context.globalAlpha = 0.6;
  context.drawImage(hole, 0, 0);
  context.globalAlpha = 1;
}

function brush() {
  const canvas = by("source");
  let last = null;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
  };
  const stroke = (event) => {
    if (!last || !hole) return;
    const context = hole.getContext("2d");
    [context.lineWidth, context.lineCap, context.strokeStyle] = [Math.max(4, canvas.width / 12), "round", "#d0551b"];
    context.beginPath();
    context.moveTo(...last);
    last = at(event);
    context.lineTo(...last);
    context.stroke();
    draw();
  };
  canvas.onpointerdown = (event) => { last = at(event); canvas.setPointerCapture(event.pointerId); stroke(event); };
  canvas.onpointermove = stroke;
  canvas.onpointerup = canvas.onpointercancel = () => { last = null; };
  canvas.style.cursor = "crosshair";
  by("clear").hidden = false;
  by("clear").onclick = () => { hole = null; draw(); };
}

function ask(input) {
  const label = document.createElement("label");
  label.append(`${input.name}: ${input.what}`);
  const control = document.createElement(input.kind === "label" ? "select" : "input");
  control.id = `input-${input.name}`;
  if (input.kind === "label") for (let i = 0; i < input.classes; i++) control.append(new Option(String(i), String(i)));
  else if (input.kind === "vector") control.value = Array(input.size).fill(0).join(",");
  else [control.type, control.accept] = ["file", "image/*"];
  label.append(control);
  by("inputs").append(label);
}

by("title").textContent = about.title;
by("about").textContent = `${about.words} The picture stays in this browser.`;
document.title = about.title;
for (const input of about.inputs) if (!["source", "hole"].includes(input.name)) ask(input);
if (fields.hole) brush();
by("size").hidden = Boolean(about.fixed_side);
[by("side").min, by("side").max, by("side").value] = [Math.max(about.smallest_side, 16), 1024, 256];
by("side").oninput = draw;
draw();
by("file").onchange = async () => {
  const file = by("file").files[0];
  if (!file) return;
  try {
    const opened = await createImageBitmap(file);
    if (opened.width * opened.height > 64e6) throw new Error("too large");
    [image, hole] = [opened, null];
    say(fields.hole ? "Paint over what is to be filled." : "");
    draw();
  } catch {
    say(`${file.name} is no picture that this browser reads, or larger than 64 megapixels.`, true);
  }
};

try {
  const ort = await runtime();
  const session = await ort.InferenceSession.create("model.onnx", { executionProviders: ["wasm"] });
  by("go").onclick = async () => {
    if (!image) return say("Choose a picture first.", true);
    by("go").disabled = true;
    say("Translating...");
    try {
      const [width, height] = sizeOf(image.width, image.height);
      const inputs = await feed(ort, width, height);
      const start = performance.now();
      const { output } = await session.run(inputs);
      show(output);
      window.gankit = { inputs, output, milliseconds: performance.now() - start }; // for tests, and for the curious
      say(`${width} x ${height} px in ${((performance.now() - start) / 1000).toFixed(2)} s.`);
    } catch (error) {
      say(`This did not work: ${error.message}`, true);
    } finally {
      by("go").disabled = false;
    }
  };
  by("go").disabled = false;
  say("Choose a picture.");
} catch (error) {
  say(`The network cannot be loaded: ${error.message}`, true);
}
