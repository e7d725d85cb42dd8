// What is wrong with a page, as a list of texts. The argument is the width of the screen.
const wrong = [], width = arguments[0];
const wide = Math.max(document.scrollingElement.scrollWidth, innerWidth);
if (wide > width) wrong.push(`the page is ${wide} pixels wide`);
if (!document.querySelector("meta[name=viewport]")) wrong.push("no viewport");
if (!document.documentElement.lang) wrong.push("no language");
if (document.querySelectorAll("main").length != 1) wrong.push("not one main");
if (document.querySelectorAll("h1").length != 1) wrong.push("not one h1");
let level = 1;
for (const heading of document.querySelectorAll("h1, h2, h3")) {
  const own = Number(heading.tagName[1]);
  if (own > level + 1) wrong.push(`${heading.textContent} skips a level`);
  level = own;
}
for (const input of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
  if (!input.labels.length) wrong.push(`${input.name} has no label`);
}
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
if (new Set(ids).size != ids.length) wrong.push("an id is there twice");
for (const element of document.querySelectorAll("[aria-describedby], [aria-labelledby]")) {
  for (const id of (element.getAttribute("aria-describedby") ?? element.getAttribute("aria-labelledby")).split(" ")) {
    if (!document.getElementById(id)) wrong.push(`nothing has the id ${id}`);
  }
}
for (const element of document.querySelectorAll("button, .button")) {
  const box = element.getBoundingClientRect();
  if (box.height > 0 && box.height < 44) wrong.push(`${element.textContent} is too small for a finger`);
}
// Contrast of each text with what is behind it, by WCAG 2.
const rgb = (color) => color.match(/[\d.]+/g).map(Number);
const light = (color) => {
  const [r, g, b] = rgb(color).map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = getComputedStyle(at).backgroundColor;
    if (rgb(color).length == 3 || rgb(color)[3] == 1) return color;
  }
  return "rgb(255, 255, 255)";
};
for (const element of document.body.querySelectorAll("*")) {
  const own = [...element.childNodes].some((node) => node.nodeType == 3 && node.textContent.trim());
  if (!own || element.tagName == "SCRIPT" || element.tagName == "NOSCRIPT") continue;
  const [a, b] = [light(getComputedStyle(element).color), light(behind(element))].sort((x, y) => y - x);
  const contrast = (a + 0.05) / (b + 0.05);
  if (contrast < 4.5) wrong.push(`"${element.textContent.trim().slice(0, 40)}" has a contrast of ${contrast.toFixed(1)}`);
}
return wrong;
