// Recording in the browser: what the microphone hears for some seconds becomes the file that the form sends.
const box = document.querySelector("[data-recorder]");
const RAW = { echoCancellation: false, noiseSuppression: false, autoGainControl: false }; // made for calls, not for voices
const KINDS = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];
const LOUD = 0.98;
const QUIET = 0.01;
const DECADES = 3; // the meter begins 60 dB below full scale
const FALL = 0.02; // of the meter, a frame: an eye is slower than a voice
const SETTLED_MS = 2000;
const part = (name) => box.querySelector(name);
let recorder = null;

async function record() {
  part("audio").hidden = true;
  if (!navigator.mediaDevices) return say(box.dataset.sayInsecure);
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: RAW });
  } catch {
    return say(box.dataset.sayDenied);
  }
  const mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
  recorder = new MediaRecorder(stream, { mimeType, audioBitsPerSecond: 192000 });
  const pieces = [];
  recorder.ondataavailable = (event) => pieces.push(event.data);
  const watched = watch(stream);
  recorder.onstop = () => {
    watched.end();
    for (const track of stream.getTracks()) track.stop();
    keep(new Blob(pieces, { type: recorder.mimeType }));
    show(false);
  };
  recorder.start();
  show(true);
}

function show(recording) {
  part("[data-record]").hidden = recording;
  part("[data-stop]").hidden = !recording;
  (recording ? part("[data-stop]") : part("[data-record]")).focus();
}

/** Show how loud it is and how many seconds are left; stop at the end of them. */
function watch(stream) {
  const context = new AudioContext();
  const ear = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(ear);
  const samples = new Float32Array(ear.fftSize);
  const since = performance.now();
  let [loudest, shown] = [0, 0];
  let frame = 0;
  const look = () => {
    ear.getFloatTimeDomainData(samples);
    const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    loudest = Math.max(loudest, peak);
    const passed = performance.now() - since;
    shown = Math.max(1 + Math.log10(Math.max(peak, 1e-6)) / DECADES, shown - FALL, 0);
    part(".level").style.setProperty("--share", shown.toFixed(3));
    part(".level").toggleAttribute("data-loud", peak >= LOUD);
    part("[data-left]").textContent = `${Math.max(0, Math.ceil(box.dataset.seconds - passed / 1000))} s`;
    if (peak >= LOUD) say(box.dataset.sayLoud);
    else if (passed > SETTLED_MS && loudest < QUIET) say(box.dataset.sayQuiet);
    if (passed >= box.dataset.seconds * 1000) return stop();
    frame = requestAnimationFrame(look);
  };
  look();
  const end = () => {
    cancelAnimationFrame(frame);
    part(".level").style.setProperty("--share", 0);
    part("[data-left]").textContent = `${box.dataset.seconds} s`;
    context.close();
  };
  return { end };
}

function stop() {
  if (recorder?.state === "recording") recorder.stop();
}

/** Put the recording where a chosen file would be; the form is sent as ever. */
function keep(blob) {
  const ending = /mp4|ogg|webm/.exec(blob.type)?.[0].replace("mp4", "m4a") ?? "webm";
  const at = new Date().toISOString().slice(0, 16).replace(/[-:]/g, "").replace("T", "-");
  const files = new DataTransfer();
  files.items.add(new File([blob], `recording-${at}.${ending}`, { type: blob.type }));
  const field = box.closest("form").elements.file;
  field.files = files.files;
  field.dispatchEvent(new Event("change", { bubbles: true }));
  const heard = part("audio");
  URL.revokeObjectURL(heard.src);
  heard.src = URL.createObjectURL(blob);
  heard.hidden = false;
}

function say(sentence) {
  part("[data-hint]").textContent = sentence;
}

if (box && typeof MediaRecorder !== "undefined") {
  box.hidden = false;
  part("[data-record]").addEventListener("click", record);
  part("[data-stop]").addEventListener("click", stop);
  addEventListener("pagehide", stop);
}
