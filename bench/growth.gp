# Draws what growth.py measured: gnuplot -c growth.gp TABLE PICTURE svg|png
# Time above, memory below; batch, picture size and channels side by side, on logarithmic axes, with a line of known power
# through the last point.
table = ARG1
ink = '#333333'
if (ARG3 eq 'png') {
  set terminal pngcairo size 1080,600 font 'sans,11' background '#ffffff'
} else {
  set terminal svg size 1080,600 font 'sans-serif,14' background '#ffffff'
}
set output ARG2
array axis[3] = ['pictures in a batch', 'pixels a side', 'channels of the first level']
array fixed[3] = ['28x28 pixels, 32 channels', 'batch 16, 32 channels', 'batch 16, 28x28 pixels']
array power[3] = [1, 2, 2]
array guide[3] = ['n', 'n^2', 'n^2']
array quantity[2] = ['a training step, ms', 'peak of the process, MiB']
array colour[2] = ['#1f6fb2', '#c8602b']
array unit[2] = [1e3, 1]  # seconds to ms

set border 3 lw 1 lc rgb '#888888'
set tics nomirror out scale 0.6 tc rgb ink
set grid y lc rgb '#e4e4e4' lw 1 lt 1
set key bottom right Right samplen 2.5 tc rgb ink
set samples 2
set multiplot
do for [row = 1:2] {
  unset logscale
  set xrange [*:*]
  set yrange [*:*]
  stats table using (column(row + 1) * unit[row]) nooutput
  low = STATS_min / 1.5; high = STATS_max * 1.5
  do for [i = 1:3] {
    unset logscale
    set xrange [*:*]
    set yrange [*:*]
    stats table index i - 1 using 1:(column(row + 1) * unit[row]) nooutput
    set logscale xy
    set xrange [STATS_min_x / 1.15 : STATS_max_x * 1.15]
    set yrange [low : high]
    set lmargin at screen 0.075 + 0.31 * (i - 1)
    set rmargin at screen 0.355 + 0.31 * (i - 1)
    set tmargin at screen row == 1 ? 0.93 : 0.485
    set bmargin at screen row == 1 ? 0.555 : 0.11
    set xtics () norangelimit
    unset ytics
    unset mytics
    set ytics 0.001, 10, 1e7 nomirror
    do for [k = -2:6] { set ytics add (sprintf('%g', 2 * 10.0**k) 2 * 10.0**k, sprintf('%g', 5 * 10.0**k) 5 * 10.0**k) }
    set format y i == 1 ? '%g' : ''
    if (i > 1) { do for [k = -2:6] { set ytics add ('' 2 * 10.0**k, '' 5 * 10.0**k) } }
    set title row == 1 ? fixed[i] : '' tc rgb ink offset 0, -0.4
    set ylabel i == 1 ? quantity[row] : '' tc rgb ink
    set xlabel row == 2 ? axis[i] : '' tc rgb ink
    set style data linespoints
    plot STATS_max_y * (x / STATS_max_x) ** power[i] with lines dt 2 lw 1.2 lc rgb '#999999' title guide[i], \
         table index i - 1 using 1:(column(row + 1) * unit[row]):xtic(1) lw 2 pt 7 ps 0.6 lc rgb colour[row] notitle
  }
}
unset multiplot
