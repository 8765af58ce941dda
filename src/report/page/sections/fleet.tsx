import type { VNode } from 'preact';
import type { Fleet, FleetVersion } from '../../document.js';
import { formatBytes, formatNumber, formatShare } from '../format.js';
import type { Section } from '../parts/section.js';
import { type Cell, columnsOf, numberCell, Table, textCell } from '../parts/table.js';
import type { View } from '../view.js';

const WAYS: Readonly<Record<FleetVersion['best'], string>> = {
  none: 'nothing: up to date',
  direct: 'direct payload',
  chain: 'chain of payloads',
  full: 'full model',
};

/** The downloads of all devices; absent without fleet data. */
export function fleetSection({ report }: View): Section | undefined {
  const { fleet } = report;
  if (fleet === undefined) return undefined;
  const columns = columnsOf(
    ...[
      'Installed version',
      '#Devices',
      '#Direct, bytes',
      '#Chain, bytes',
      '#Steps',
      '#Full, bytes',
      'Cheapest way',
    ],
    '#Bytes of all devices',
  );
  return {
    id: 'fleet',
    title: 'Fleet',
    content: (
      <>
        <p>{sentence(fleet)}</p>
        <Table
          id="fleet-table"
          caption="What devices download, by version"
          columns={columns}
          rows={rowsOf(fleet)}
        />
        <Precompute fleet={fleet} />
      </>
    ),
  };
}

function sentence({ devices, bytes, fullBytes, metadataBytes }: Fleet): string {
  const share = fullBytes > 0 ? `${formatShare(bytes / fullBytes)} of ` : '';
  const metadata =
    metadataBytes === undefined
      ? ''
      : ` Both count ${formatBytes(metadataBytes)} of signed metadata for each update.`;
  return `${formatNumber(devices)} devices download ${formatBytes(bytes)} in total, each by its cheapest way: ${share}the ${formatBytes(fullBytes)} of full models.${metadata}`;
}

function rowsOf(fleet: Fleet): Cell[][] {
  return fleet.versions.map(({ version, devices, direct, chain, chainSteps, full, best, bytes }) => [
    textCell(version),
    numberCell(devices, formatNumber),
    numberCell(direct, formatNumber),
    numberCell(chain, formatNumber),
    numberCell(chainSteps, formatNumber),
    numberCell(full, formatNumber),
    textCell(WAYS[best] ?? best),
    numberCell(bytes, formatNumber),
  ]);
}

function Precompute({ fleet }: { fleet: Fleet }): VNode | null {
  if (fleet.precompute.length === 0) return null;
  const rows = fleet.precompute.map(({ version, devices, expectedBytes, savedBytes }) => [
    textCell(version),
    numberCell(devices, formatNumber),
    numberCell(expectedBytes, formatNumber),
    numberCell(savedBytes, formatNumber),
  ]);
  const columns = columnsOf('From version', '#Devices', '#Bytes expected', '#Bytes saved in total');
  const caption = 'Direct payloads worth making, largest savings first';
  return <Table id="precompute-table" caption={caption} columns={columns} rows={rows} />;
}
