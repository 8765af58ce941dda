import type { VNode } from 'preact';
import { drawCalibration } from '../charts/calibration.js';
import { formatNumber, formatPercent, formatPointsNumber } from '../format.js';
import { columnsOf, numberCell, seriesCell, textCell } from '../parts/cells.js';
import { Details, Figure } from '../parts/figure.js';
import { Table } from '../parts/table.js';
import { BASE_SERIES, FULL_SERIES } from '../series.js';
import type { ShownModel, View } from '../view.js';

/** How far confidence is from accuracy: a number for each model, and the bins of the main ones. */
export async function calibrationPart(view: View, measured: readonly ShownModel[]): Promise<VNode> {
  const rows = measured.map(({ series, model }) => [
    seriesCell(series),
    numberCell(model.quality?.calibration.error, formatPointsNumber),
  ]);
  return (
    <>
      <h3>Calibration</h3>
      <div class="pair">
        {await reliabilityFigure(view, measured)}
        <Table
          id="calibration-table"
          caption="Expected calibration error: how far confidence is from accuracy"
          columns={columnsOf('Model', '#Points')}
          rows={rows}
        />
      </div>
      <Bins measured={measured} />
    </>
  );
}

async function reliabilityFigure(view: View, measured: readonly ShownModel[]): Promise<VNode | null> {
  const fixed = [BASE_SERIES, FULL_SERIES, view.main?.series];
  const shown = measured.filter(({ series }) => fixed.includes(series));
  const looks = shown.map(({ series }) => series);
  const points = shown.flatMap(({ series, model }, index) =>
    (model.quality?.calibration.bins ?? []).map(({ confidence, accuracy, examples }) => ({
      ...{ series: index, confidence, accuracy },
      about: `${series.name}: confidence ${formatPercent(confidence)}, accuracy ${formatPercent(accuracy)}, ${formatNumber(examples)} examples`,
    })),
  );
  if (points.length === 0) return null;
  return (
    <Figure
      title="Accuracy (upwards) against confidence"
      note="On the broken line, a model is as sure as it is right."
      legend={looks}
      drawings={[await drawCalibration(looks, points)]}
    />
  );
}

function Bins({ measured }: { measured: readonly ShownModel[] }): VNode {
  const rows = measured.flatMap(({ series, model }) =>
    (model.quality?.calibration.bins ?? []).map(({ low, high, examples, confidence, accuracy }) => [
      seriesCell(series),
      { ...textCell(`${formatPercent(low)} to ${formatPercent(high)}`), order: low },
      numberCell(examples, formatNumber),
      numberCell(confidence, formatPercent),
      numberCell(accuracy, formatPercent),
    ]),
  );
  return (
    <Details title="Confidence and accuracy by bin">
      <Table
        id="bins-table"
        caption="Examples by the probability of the class that was predicted"
        columns={columnsOf('Model', '#Probability', '#Examples', '#Mean confidence', '#Accuracy')}
        rows={rows}
      />
    </Details>
  );
}
