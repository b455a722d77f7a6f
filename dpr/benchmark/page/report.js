// State of the page, its charts and its tables. Everything is drawn from one data object inside the page.
"use strict";

const report = { language: "en", chosen: [], views: {}, data: null, listeners: [] };

const unpack = async () => {
  const text = document.getElementById("data").textContent;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
};

const word = (key) => report.data.words[report.language][key] ?? key;

const element = (name, attributes = {}, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};

const dot = (system) => element("span", { class: "dot", style: `background: ${report.data.colours[system]}` });

const theme = () => {
  const style = getComputedStyle(document.documentElement);
  const ink = getComputedStyle(document.body).color;
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches && !matchMedia("print").matches;
  const [quiet, line] = isDark ? ["#a5a9af", "#303439"] : ["#5c6066", "#e3e0da"];
  const axis = { labelColor: ink, titleColor: quiet, gridColor: line, domainColor: line, tickColor: line };
  return {
    background: "transparent",
    font: style.fontFamily,
    view: { stroke: "transparent" },
    axis: { ...axis, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" },
    legend: { labelColor: ink, titleColor: quiet, labelFontSize: 12, symbolSize: 90, symbolOpacity: 1 },
  };
};

const legendColumns = (spec) => {
  const columns = Math.max(1, Math.floor(document.body.clientWidth / 150));
  const walk = (node) => {
    if (node === null || typeof node !== "object") return;
    if (node.legend && typeof node.legend === "object" && "columns" in node.legend) node.legend.columns = columns;
    Object.values(node).forEach(walk);
  };
  walk(spec);
  return spec;
};

const drawChart = async (name) => {
  const place = document.getElementById(`${name}-chart`);
  if (place === null) return;
  const spec = legendColumns(structuredClone(report.data.specs[report.language][name]));
  spec.datasets = report.data.rows;
  for (const parameter of spec.params) {
    if (parameter.name === "systems") parameter.value = report.chosen;
    const select = document.getElementById(parameter.name);
    if (select !== null && select.tagName === "SELECT") parameter.value = select.value;
  }
  report.views[name]?.finalize();
  report.views[name] = await vegaEmbed(place, spec, {
    actions: false,
    renderer: "svg",
    config: theme(),
    logLevel: 1, // errors only
  });
};

const drawCharts = async () => {
  for (const name of Object.keys(report.data.specs.en)) await drawChart(name);
  document.documentElement.dataset.drawn = report.language;
};

const setSignal = (names, signal, value) => {
  for (const name of names) report.views[name]?.view.signal(signal, value).runAsync();
};

const signedPoints = (share) => `${share >= 0 ? "+" : "−"}${Math.abs(100 * share).toFixed(1)}`;
const pValue = (p) => (p < 0.0001 ? "< 0.0001" : p.toFixed(p < 0.001 ? 4 : 3));

const fillPairs = () => {
  const metric = document.getElementById("metric").value;
  const isShown = (pair) =>
    pair.metric === metric && report.chosen.includes(pair.first) && report.chosen.includes(pair.second);
  const rows = report.data.pairs.filter(isShown).sort((a, b) => b.difference - a.difference);
  const cells = (pair) => [
    signedPoints(pair.difference),
    `${signedPoints(pair.low)} … ${signedPoints(pair.high)}`,
    `${pValue(pair.corrected_p_value)} · ${word(pair.is_significant ? "significant" : "chance")}`,
    pair.smallest_difference === null ? "–" : (100 * pair.smallest_difference).toFixed(1),
    `${pair.wins.toLocaleString()} / ${pair.losses.toLocaleString()}`,
  ];
  document.querySelector("#pairs tbody").replaceChildren(
    ...rows.map((pair) =>
      element(
        "tr",
        pair.is_significant ? {} : { class: "chance" },
        element("th", { scope: "row" }, `${pair.first} − ${pair.second}`),
        ...cells(pair).map((text) => element("td", {}, text)),
      ),
    ),
  );
};

const fillGroups = () => {
  const trait = document.getElementById("trait").value;
  const rows = report.data.rows.groups.filter((row) => row.trait === trait);
  const names = [...new Set(rows.map((row) => row.group))];
  const share = (group, system) => rows.find((row) => row.group === group && row.system === system);
  document.querySelector("#groups thead").replaceChildren(
    element(
      "tr",
      {},
      ...[document.querySelector("#trait option:checked").textContent, word("questions"), ...report.chosen].map((text) =>
        element("th", {}, text),
      ),
    ),
  );
  document.querySelector("#groups tbody").replaceChildren(
    ...names.map((group) =>
      element(
        "tr",
        share(group, report.data.systems[0]).count < 30 ? { class: "chance" } : {},
        element("th", { scope: "row" }, word(group)),
        element("td", {}, share(group, report.data.systems[0]).count.toLocaleString()),
        ...report.chosen.map((system) => {
          const { value, low, high } = share(group, system);
          return element("td", { title: `${low.toFixed(1)} – ${high.toFixed(1)}` }, value.toFixed(1));
        }),
      ),
    ),
  );
};

const choose = () => {
  const boxes = [...document.querySelectorAll("input[name=system]")];
  const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
  report.chosen = report.data.systems.filter((name) => chosen.includes(name));
  for (const row of document.querySelectorAll("tr[data-system]")) row.hidden = !chosen.includes(row.dataset.system);
  setSignal(Object.keys(report.views), "systems", report.chosen);
  fillPairs();
  fillGroups();
  report.listeners.forEach((listener) => listener());
};

const speak = async (language) => {
  report.language = language;
  document.documentElement.lang = language;
  document.title = word("title");
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
  for (const option of document.querySelectorAll("#trait option")) option.textContent = option.dataset[language];
  choose();
  await drawCharts();
};

const start = async () => {
  report.data = await unpack();
  report.chosen = report.data.systems;
  const trait = report.data.specs.en.groups.params.find((parameter) => parameter.name === "trait");
  document.getElementById("trait").value = trait.value;
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => speak(button.dataset.language));
  }
  for (const box of document.querySelectorAll("input[name=system]")) box.addEventListener("change", choose);
  document.getElementById("metric").addEventListener("change", ({ target }) => {
    fillPairs();
    setSignal(["pairs"], "metric", target.value);
  });
  document.getElementById("trait").addEventListener("change", ({ target }) => {
    fillGroups();
    setSignal(["groups"], "trait", target.value);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);
  report.listeners.push(...questionList());
  await speak(navigator.language.startsWith("ko") ? "ko" : "en");
};

addEventListener("DOMContentLoaded", start);
