/** The growths as small line charts beside each other; sizes on a logarithmic axis, costs from zero on, as parts of the cost at the smallest size. */
import * as echarts from 'echarts';
import type { Growth } from './series.ts';

const WIDTH = 960;
const HEIGHT = 640;
const INK = '#1f2937';
const COLOURS = ['#2563eb', '#d97706', '#059669'];
const PLACES = [
  { left: '6%', right: '54%', top: 110, height: 190 },
  { left: '54%', right: '6%', top: 110, height: 190 },
  { left: '6%', right: '54%', top: 410, height: 190 },
  { left: '54%', right: '6%', top: 410, height: 190 },
] as const;

const sizeText = (size: number): string => (size >= 1e6 ? `${size / 1e6}M` : size >= 1e3 ? `${size / 1e3}k` : String(size));

export function chartOf(growths: readonly Growth[]): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  const shown = growths.slice(0, PLACES.length);
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: 'system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif', color: INK },
    title: [
      { text: 'What a call costs as things grow (the cost at the smallest size = 1)', left: 16, top: 10, textStyle: { fontSize: 17, color: INK } },
      ...shown.map(({ title }, index) => ({
        text: title,
        left: PLACES[index]?.left,
        top: (PLACES[index]?.top ?? 0) - 58,
        textStyle: { fontSize: 13, color: INK },
      })),
    ],
    legend: shown.map(({ lines }, index) => ({
      data: lines.map(({ name }) => `${index}: ${name}`),
      formatter: (name: string) => name.replace(/^\d+: /, ''),
      left: PLACES[index]?.left,
      top: (PLACES[index]?.top ?? 0) - 34,
      itemWidth: 14,
      itemGap: 30,
      textStyle: { fontSize: 11, color: INK },
    })),
    grid: PLACES.slice(0, shown.length),
    xAxis: shown.map(({ lines }, index) => ({
      gridIndex: index,
      type: 'category',
      data: lines[0]?.points.map(({ size }) => sizeText(size)) ?? [],
      axisLabel: { color: '#4b5563' },
    })),
    yAxis: shown.map((_, index) => ({
      gridIndex: index,
      type: 'value',
      min: 0,
      axisLabel: { color: '#4b5563' },
      splitLine: { lineStyle: { color: '#e5e7eb' } },
    })),
    series: shown.flatMap(({ lines }, index) =>
      lines.map(({ name, points }, at) => ({
        name: `${index}: ${name}`,
        type: 'line',
        xAxisIndex: index,
        yAxisIndex: index,
        color: COLOURS[at % COLOURS.length],
        symbolSize: 7,
        data: points.map(({ cost }) => Number((cost / (points[0]?.cost ?? cost)).toFixed(3))),
      })),
    ),
  } as echarts.EChartsCoreOption);
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
