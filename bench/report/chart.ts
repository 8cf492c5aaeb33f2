/** A bar of a chart. */
export interface Bar {
  name: string;
  value: number;
  /** What stands behind it. */
  label: string;
  /** From the least to the most that was measured; drawn if they differ. */
  spread?: readonly [least: number, most: number];
  /** Drawn in the strong colour. */
  isOwn: boolean;
}

/** Bars with one scale of their own, which starts at zero. */
export interface Group {
  title: string;
  bars: readonly Bar[];
}

export interface Chart {
  title: string;
  /** What a reader who cannot see it should know. */
  description: string;
  groups: readonly Group[];
}

const width = 760;
const nameWidth = 150;
const labelWidth = 190;
const barWidth = width - nameWidth - labelWidth;
const rowHeight = 20;
const barHeight = 13;

// Drawn for both themes: the page's scheme chooses.
const style = `
  .back { fill: #ffffff } text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 16px; font-weight: 600 } .group { font-weight: 600 }
  .bar { fill: #9aa4af } .own { fill: #0969da } .axis { stroke: #d0d7de } .spread { stroke: #24292f }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117 } text { fill: #e6edf3 }
    .bar { fill: #6e7681 } .own { fill: #4493f8 } .axis { stroke: #30363d } .spread { stroke: #e6edf3 }
  }`;

/** A chart of horizontal bars as an SVG document. */
export function renderChart({ title, description, groups }: Chart): string {
  const lines: string[] = [];
  let y = 52;
  for (const group of groups) {
    lines.push(text(12, y, group.title, 'group'));
    y += 8;
    const top = y;
    const most = Math.max(...group.bars.map(({ value, spread }) => Math.max(value, spread?.[1] ?? 0)));
    for (const bar of group.bars) {
      lines.push(...renderBar(bar, y, most === 0 ? 0 : barWidth / most));
      y += rowHeight;
    }
    lines.push(`<line class="axis" x1="${nameWidth}" y1="${top}" x2="${nameWidth}" y2="${y}"/>`);
    y += 26;
  }
  const height = y - 10;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" \
role="img" aria-labelledby="title description">
<title id="title">${escaped(title)}</title>
<desc id="description">${escaped(description)}</desc>
<style>${style}
</style>
<rect class="back" width="${width}" height="${height}" rx="6"/>
${[text(12, 26, title, 'title'), ...lines].join('\n')}
</svg>
`;
}

function renderBar({ name, value, label, spread, isOwn }: Bar, y: number, scale: number): string[] {
  const length = value * scale;
  const end = nameWidth + Math.max(length, (spread?.[1] ?? 0) * scale);
  const lines = [
    text(nameWidth - 8, y + 12, name, 'name', 'end'),
    `<rect class="${isOwn ? 'own' : 'bar'}" x="${nameWidth}" y="${y + 1}" width="${round(Math.max(length, 1))}" height="${barHeight}" rx="2"/>`,
    text(end + 8, y + 12, label, 'label'),
  ];
  if (spread && spread[0] < spread[1]) {
    const [from, to] = spread.map((each) => round(nameWidth + each * scale));
    const middle = y + 1 + barHeight / 2;
    lines.push(
      `<path class="spread" d="M${from} ${middle}H${to}M${from} ${middle - 3}v6M${to} ${middle - 3}v6"/>`,
    );
  }
  return lines;
}

function text(x: number, y: number, content: string, kind: string, anchor = 'start'): string {
  const anchored = anchor === 'start' ? '' : ` text-anchor="${anchor}"`;
  return `<text class="${kind}" x="${round(x)}" y="${y}"${anchored}>${escaped(content)}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
