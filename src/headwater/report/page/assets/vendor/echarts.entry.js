// What the page uses of Apache ECharts; build.sh makes echarts.js of it.
export { init } from "echarts/core";
import { use } from "echarts/core";
import { BarChart, CustomChart, LineChart, ScatterChart } from "echarts/charts";
import { DataZoomComponent, GridComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent } from "echarts/components";
import { CanvasRenderer, SVGRenderer } from "echarts/renderers";

use([BarChart, CustomChart, LineChart, ScatterChart]);
use([DataZoomComponent, GridComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent]);
use([CanvasRenderer, SVGRenderer]);
