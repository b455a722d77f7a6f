// Makes elements. Text becomes text nodes, never markup.

/** An element with attributes ("class", "aria-…"; false and null leave one out) and children: nodes, text, or null. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") node.addEventListener("click", value);
    else if (value !== false && value !== null && value !== undefined)
      node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export function byId(id) {
  return document.getElementById(id);
}

/** Show these children in a section and nothing else; hide it without any. */
export function fill(section, ...children) {
  const shown = children.flat().filter((child) => child !== null && child !== undefined);
  section.replaceChildren(...shown);
  section.hidden = shown.length === 0;
}
