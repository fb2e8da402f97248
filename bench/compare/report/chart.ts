/** A run as a picture: every peer's part of the yardstick's rate. It brings its own background, so that it is read on light and on dark pages. */
import * as echarts from 'echarts';
import { isOurs, OURS, YARDSTICK } from '../peers/index.ts';
import { resultOf } from '../results.ts';
import type { Run } from '../results.ts';

const SERIES = [
  { name: '64 calls in flight', ids: ['unary-64'], colour: '#2563eb' },
  { name: '1,000 calls in flight', ids: ['unary-1000'], colour: '#60a5fa' },
  { name: 'stream items (slower direction)', ids: ['stream-download', 'stream-upload'], colour: '#d97706' },
  { name: '64 KiB blobs', ids: ['blobs'], colour: '#059669' },
] as const;

const WIDTH = 960;
const BAR_PX = 13;
const GROUP_PX = SERIES.length * BAR_PX + 18;
const FRAME_PX = 150;
const INK = '#1f2937';

/** The lowest of the cases' ratios; undefined unless all of them were measured. */
function ratio(run: Run, ids: readonly string[], peer: string): number | undefined {
  const ratios = ids.map((id) => resultOf(run, id, peer)?.ratioToRaw);
  return ratios.every((each) => each !== undefined) ? Math.min(...ratios) : undefined;
}

/** Best last: a category axis grows upwards. */
function peersOf(run: Run): string[] {
  const rank = (peer: string): number => ratio(run, SERIES[0].ids, peer) ?? 0;
  const shown = Object.keys(run.peers).filter((peer) => peer !== YARDSTICK && (!isOurs(peer) || peer === OURS));
  return shown.filter((peer) => SERIES.some(({ ids }) => ratio(run, ids, peer) !== undefined)).sort((a, b) => rank(a) - rank(b));
}

/** Nobody measures text where there is no browser: room for wide letters. */
const marginOf = (titles: readonly string[]): number => 28 + Math.max(...titles.map(({ length }) => length)) * 7.5;

/** Undefined where nothing was measured against the yardstick. */
export function chartOf(run: Run): string | undefined {
  const peers = peersOf(run);
  if (peers.length === 0) return undefined;
  const titles = peers.map((peer) => run.peers[peer]?.title ?? peer);
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: FRAME_PX + peers.length * GROUP_PX });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: 'system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif', color: INK },
    title: {
      text: 'Throughput relative to a raw socket with MessagePack frames (= 1)',
      subtext: `two processes on loopback, ${run.machine.cpu}, Node ${run.machine.node}; longer is better`,
      left: 16,
      top: 12,
      textStyle: { fontSize: 17, color: INK },
      subtextStyle: { fontSize: 12, color: '#4b5563' },
    },
    legend: { top: 66, left: 16, data: SERIES.map(({ name }) => name), textStyle: { color: INK }, itemWidth: 14, itemHeight: 10, itemGap: 30 },
    grid: { left: marginOf(titles), right: 64, top: 100, bottom: 36 },
    xAxis: {
      type: 'value',
      min: 0,
      max: ({ max }: { max: number }) => Math.max(1, max),
      axisLabel: { color: '#4b5563' },
      splitLine: { lineStyle: { color: '#e5e7eb' } },
    },
    yAxis: {
      type: 'category',
      data: titles,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: '#9ca3af' } },
      axisLabel: { color: INK, fontSize: 13 },
    },
    series: SERIES.map(({ name, ids, colour }) => ({
      name,
      type: 'bar',
      barWidth: BAR_PX - 2,
      barGap: '15%',
      itemStyle: { color: colour },
      label: { show: true, position: 'right', fontSize: 10, color: INK, formatter: ({ value }: { value: unknown }) => Number(value).toFixed(2) },
      data: peers.map((peer) => ratio(run, ids, peer) ?? '-'),
    })),
  } as echarts.EChartsCoreOption);
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
