#pragma once
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>
#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
namespace buoy::wire {
constexpr std::uint16_t ethertype_arp=0x0806, ethertype_ipv6=0x86dd;
using Frame=std::vector<std::uint8_t>; using Bytes=std::span<const std::uint8_t>;
struct Arp{ enum class Operation:std::uint16_t{request=1,reply=2}; Operation operation; Mac sender_mac; Ipv4 sender_ip; Mac target_mac; Ipv4 target_ip; };
inline void p(Frame&f,auto const&a){f.insert(f.end(),a.bytes.begin(),a.bytes.end());}
inline void p16(Frame&f,unsigned v){f.push_back(v>>8);f.push_back(v&255);}
inline Frame arp(Mac dst,Mac src,Arp a){Frame f;p(f,dst);p(f,src);p16(f,0x806);p16(f,1);p16(f,0x800);f.push_back(6);f.push_back(4);p16(f,(unsigned)a.operation);p(f,a.sender_mac);p(f,a.sender_ip);p(f,a.target_mac);p(f,a.target_ip);f.resize(60);return f;}
inline Frame gratuitous_request(Mac m,Ipv4 i){return arp(broadcast_mac,m,{Arp::Operation::request,m,i,{},i});}
inline Frame gratuitous_reply(Mac m,Ipv4 i){return arp(broadcast_mac,m,{Arp::Operation::reply,m,i,m,i});}
inline Frame probe(Mac m,Ipv4 i){return arp(broadcast_mac,m,{Arp::Operation::request,m,{},{},i});}
inline Frame request(Mac m,Ipv4 i,Ipv4 t){return arp(broadcast_mac,m,{Arp::Operation::request,m,i,{},t});}
inline Frame unicast_reply(Mac tm,Ipv4 t,Mac m,Ipv4 i){return arp(tm,m,{Arp::Operation::reply,m,i,tm,t});}
inline std::optional<Arp> decode_arp(Bytes f){ if(f.size()<42||f[12]!=8||f[13]!=6) return {}; Arp a; a.operation=(Arp::Operation)(f[20]*256+f[21]); memcpy(&a.sender_mac,&f[22],6);memcpy(&a.sender_ip,&f[28],4);memcpy(&a.target_mac,&f[32],6);memcpy(&a.target_ip,&f[38],4);return a;}
inline Frame nd(Mac dst,Mac src,Ipv6 s,Ipv6 d,Frame body){ Frame f;p(f,dst);p(f,src);p16(f,0x86dd);f.insert(f.end(),{0x60,0,0,0});p16(f,body.size());f.push_back(58);f.push_back(255);p(f,s);p(f,d);
 unsigned long c=body.size()+58; for(int i=0;i<16;i+=2)c+=s.bytes[i]*256+s.bytes[i+1]+d.bytes[i]*256+d.bytes[i+1]; for(size_t i=0;i+1<body.size();i+=2)c+=body[i]*256+body[i+1]; while(c>>16)c=(c&0xffff)+(c>>16); c=~c; body[2]=c>>8;body[3]=c; f.insert(f.end(),body.begin(),body.end()); return f;}
inline Frame unsolicited_advertisement(Mac m,Ipv6 i){Frame b{136,0,0,0,0x20,0,0,0};p(b,i);b.push_back(2);b.push_back(1);p(b,m);return nd(Mac{{0x33,0x33,0,0,0,1}},m,i,Ipv6{{0xff,2,0,0,0,0,0,0,0,0,0,0,0,0,0,1}},b);}
inline Frame unicast_advertisement(Mac tm,Ipv6 t,Mac m,Ipv6 i){Frame b{136,0,0,0,0x20,0,0,0};p(b,i);b.push_back(2);b.push_back(1);p(b,m);return nd(tm,m,i,t,b);}
inline Frame solicitation(Mac m,Ipv6 i,Ipv6 t){Frame b{135,0,0,0,0,0,0,0};p(b,t);b.push_back(1);b.push_back(1);p(b,m);Ipv6 d{{0xff,2,0,0,0,0,0,0,0,0,0,1,0xff,t.bytes[13],t.bytes[14],t.bytes[15]}};return nd(Mac{{0x33,0x33,0xff,t.bytes[13],t.bytes[14],t.bytes[15]}},m,i,d,b);}
struct NA{bool solicited;Ipv6 target;};
inline std::optional<NA> decode_neighbor_advertisement(Bytes f){ if(f.size()<14+40+24||f[12]!=0x86||f[20]!=58||f[54]!=136) return {}; NA n; n.solicited=f[58]&0x40; memcpy(&n.target,&f[62],16); return n;}
}
