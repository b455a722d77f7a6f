// The visible texts whose contrast with what lies behind them is below 4.5 (WCAG 2, 1.4.3).
(() => {
  const parsed = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const over = (top, bottom) => {
    const alpha = top[3] ?? 1;
    return [0, 1, 2].map((i) => top[i] * alpha + bottom[i] * (1 - alpha));
  };
  const luminance = (color) => {
    const [r, g, b] = color.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const backgroundOf = (node) => {
    if (node === null) return [255, 255, 255];
    const color = parsed(getComputedStyle(node).backgroundColor);
    return (color[3] ?? 1) === 1 ? color : over(color, backgroundOf(node.parentElement));
  };
  const low = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !node.checkVisibility() || node.closest(".unseen, noscript")) continue;
    const background = backgroundOf(node);
    const [light, dark] = [luminance(over(parsed(getComputedStyle(node).color), background)), luminance(background)].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) low.push(`${texts.currentNode.data.trim().slice(0, 30)}: ${contrast.toFixed(2)}`);
  }
  return low;
})()
