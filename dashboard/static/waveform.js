// The shape of a passage, drawn when its row is first seen; one at a time, so that listening comes first.
const queue = [];
let drawing = false;

const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    queue.push(target);
  }
  next();
});

/** Draw each row's waveform when it comes into view; rows without audio are left alone. */
export function waveforms(rows) {
  for (const row of rows) if (row.dataset.audio && row.querySelector(".wave").offsetParent) seen.observe(row);
}

async function next() {
  if (drawing || !queue.length) return;
  drawing = true;
  const row = queue.shift();
  const peaks = await peaksOf(row.dataset.audio).catch(() => null);
  if (peaks) draw(row.querySelector(".wave"), peaks);
  drawing = false;
  next();
}

async function peaksOf(url, bars = 60) {
  const answer = await fetch(url);
  if (!answer.ok) return null;
  const decoder = new OfflineAudioContext(1, 1, 8000); // 8 kHz is plenty for a picture
  const samples = (await decoder.decodeAudioData(await answer.arrayBuffer())).getChannelData(0);
  const step = samples.length / bars;
  return Array.from({ length: bars }, (_, bar) => {
    let peak = 0;
    for (let at = Math.floor(bar * step); at < (bar + 1) * step; at += 2) peak = Math.max(peak, Math.abs(samples[at] ?? 0));
    return peak;
  });
}

function draw(canvas, peaks) {
  const dense = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  [canvas.width, canvas.height] = [width * dense, height * dense];
  const pen = canvas.getContext("2d");
  pen.scale(dense, dense);
  pen.fillStyle = getComputedStyle(canvas).color;
  const loudest = Math.max(...peaks, 0.05);
  peaks.forEach((peak, at) => {
    const tall = Math.max(1, (peak / loudest) * height);
    pen.fillRect((at * width) / peaks.length, (height - tall) / 2, width / peaks.length - 1, tall);
  });
}
