"use strict";

// Enlarging: what a .zoom button holds is shown again, larger.
const dialog = document.querySelector("dialog");
for (const button of document.querySelectorAll("button.zoom")) {
  button.addEventListener("click", () => {
    const caption = document.createElement("p");
    caption.className = "soft";
    caption.textContent = button.dataset.caption;
    dialog.querySelector(".content").replaceChildren(caption, ...[...button.children].map((child) => child.cloneNode(true)));
    dialog.showModal();
  });
}
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

// UMAP: a set of samples, and every layout of them.
for (const set of document.querySelectorAll(".umap-set")) {
  const data = JSON.parse(set.querySelector(".umap-data").textContent);
  const sheet = set.querySelector(".umap-sheet");
  const stops = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"]
    .map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  const viridis = (share) => {
    const place = Math.min(1, Math.max(0, share)) * (stops.length - 1);
    const low = Math.min(stops.length - 2, Math.floor(place));
    const mixed = stops[low].map((part, i) => Math.round(part + (stops[low + 1][i] - part) * (place - low)));
    return `rgb(${mixed.join(" ")})`;
  };
  const said = (value) => (value === null ? "–" : Number(value.toPrecision(3)).toLocaleString("en"));
  const present = [...new Set(data.region)].sort((a, b) => a - b);
  const colourings = [
    { label: "region", colours: data.region.map((region) => data.regionColours[region]), range: present.map((region) => data.regionNames[region]).join(", ") },
    ...data.features.map(({ label, unit, values }) => {
      const known = values.filter((value) => value !== null);
      const [low, high] = [Math.min(...known), Math.max(...known)];
      const colours = values.map((value) => (value === null ? "#9a9a9a" : viridis(high > low ? (value - low) / (high - low) : 0.5)));
      return { label, colours, low: said(low), high: said(high), unit, missing: known.length < values.length, range: `${said(low)} to ${said(high)} ${unit}` };
    }),
  ];
  const radius = Math.max(5, Math.min(14, 380 / Math.sqrt(data.samples.length)));

  const plot = set.querySelector(".umap svg");
  const card = set.querySelector(".umap .card");
  const scale = set.querySelector(".umap .scale");
  let points = [];
  let circles = [];
  let chosen = -1;

  const key = (name, shade) => {
    const item = document.createElement("span");
    item.className = "key";
    const swatch = document.createElement("i");
    swatch.style.setProperty("--c", shade);
    item.append(swatch, name);
    return item;
  };

  const mark = () => {
    if (chosen < 0) return;
    circles[chosen].classList.add("chosen");
    plot.append(circles[chosen]); // on top of the others
  };

  const choose = (sample) => {
    if (sample === chosen) return;
    circles[chosen]?.classList.remove("chosen");
    chosen = sample;
    mark();
    const canvas = card.querySelector("canvas");
    const { across, side } = data.sheet;
    const [x, y] = [(sample % across) * side, Math.floor(sample / across) * side];
    canvas.getContext("2d").drawImage(sheet, x, y, side, side, 0, 0, canvas.width, canvas.height);
    card.querySelector(".name").textContent = data.samples[sample];
    const facts = [
      ["region", data.regionNames[data.region[sample]]],
      ...data.features.map(({ label, unit, values }) => [label, values[sample] === null ? "–" : `${said(values[sample])} ${unit}`]),
    ];
    card.querySelector("dl").replaceChildren(...facts.flatMap(([name, value]) => {
      const [term, fact] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name;
      fact.textContent = value;
      return [term, fact];
    }));
  };

  const show = (layout, { label, colours, low, high, unit, missing }) => {
    points = layout;
    plot.innerHTML = points.map(([x, y], sample) => `<circle cx="${x}" cy="${y}" r="${radius}" fill="${colours[sample]}"/>`).join("");
    circles = [...plot.children];
    mark();
    if (low === undefined) {
      scale.replaceChildren(...present.map((region) => key(data.regionNames[region], data.regionColours[region])));
    } else {
      const bar = document.createElement("span");
      bar.className = "bar";
      scale.replaceChildren(`${label}: ${low}`, bar, `${high} ${unit}`, ...(missing ? [key("not measured", "#9a9a9a")] : []));
    }
  };

  const buttons = [];
  set.querySelectorAll(".panels").forEach((panels, which) => {
    for (const colouring of colourings) {
      const button = document.createElement("button");
      button.type = "button";
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = 260;
      const context = canvas.getContext("2d");
      data.layouts[which].forEach(([x, y], sample) => {
        context.fillStyle = colouring.colours[sample];
        context.beginPath();
        context.arc(8 + x * 0.244, 8 + y * 0.244, Math.max(2.2, radius * 0.3), 0, 7);
        context.fill();
      });
      const range = document.createElement("span");
      range.className = "range";
      range.textContent = colouring.range;
      button.append(canvas, colouring.label, range);
      button.addEventListener("click", () => {
        for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
        show(data.layouts[which], colouring);
      });
      buttons.push(button);
      panels.append(button);
    }
  });
  buttons[0].click();

  const near = (event) => {
    const box = plot.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * 1080 - 40;
    const y = ((event.clientY - box.top) / box.height) * 1080 - 40;
    let [best, least] = [-1, 60];
    points.forEach(([px, py], sample) => {
      const distance = Math.hypot(px - x, py - y);
      if (distance < least) [best, least] = [sample, distance];
    });
    return best;
  };
  for (const kind of ["pointermove", "pointerdown"]) {
    plot.addEventListener(kind, (event) => {
      const sample = near(event);
      if (sample >= 0) choose(sample);
    });
  }
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (step) {
      event.preventDefault();
      choose(((chosen < 0 ? 0 : chosen + step) + points.length) % points.length);
    }
  });
  plot.addEventListener("focus", () => { if (chosen < 0) choose(0); });
}
